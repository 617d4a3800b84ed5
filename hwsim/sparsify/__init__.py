"""Networks trained, and trained on until their activation maps are sparse. Needs the ``train`` extra."""
