"""What a sweep found: fronts, sensitivity, heat map, and the page to explore it."""
