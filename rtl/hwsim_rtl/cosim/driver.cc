// Drives a core, clock by clock, through a sequence of passes. One call takes the whole stimulus.
//
// A cycle is two evaluations: inputs change while the clock is low, outputs are read, the clock rises.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <verilated.h>

#include "Core.h"

namespace {

struct Design {
    VerilatedContext context;
    Core core{&context};

    // Runs until the accumulators are cleared: only then may a pass start.
    Design() {
        do {
            core.clk = 0;
            core.eval();
            core.clk = 1;
            core.eval();
        } while (core.busy);
    }
};

// Ports are integers of their width, or arrays of 32-bit chunks.
template <typename Port>
void put(Port& port, const uint32_t* chunks) { std::memcpy(&port, chunks, sizeof(Port)); }

template <typename Port>
constexpr size_t chunks_of(const Port&) { return (sizeof(Port) + 3) / 4; }

}  // namespace

extern "C" {

// Payloads are arrays of 32-bit chunks, least significant first, as many as the port needs.
struct Pass {
    const uint32_t* config;
    const uint32_t* lines;     // of the map buffer
    const int64_t* there;      // cycle of the pass from which a line is in the map buffer
    int64_t line_count;
    const uint32_t* lengths;   // of the line of the index with the entry of the first segment
    int64_t period;            // cycles between two slots
    const uint32_t* map_rows;
    int64_t map_row_count;
    const uint32_t* rows;
    int64_t row_count;
    const uint32_t* weights;
    int64_t weight_count;
    const uint32_t* scales;
    int64_t scale_count;
    const uint8_t* ready;      // bit 0: coded words are taken, bit 1: index entries; repeats over the cycles
    int64_t ready_count;
    int64_t most_cycles;
    int64_t segments;          // that the pass makes; they may leave while later ones are under way
    // Results.
    uint64_t* coded;           // data of the output words
    uint8_t* coded_last;
    int64_t coded_room;
    int64_t coded_count;
    uint32_t* index;
    int64_t index_count;
    int64_t* events;           // cycle * 8 + kind: a symbol is valid, 2 + lane: chosen, 4 + lane: served
    int64_t event_room;
    int64_t event_count;
    int64_t cycles;            // from start to done; 0: not done within most_cycles
    int64_t taps;
    int64_t error;
};

__attribute__((visibility("default"))) void* create() { return new Design; }

__attribute__((visibility("default"))) void destroy(void* design) { delete static_cast<Design*>(design); }

// Runs passes in order; the weights of each are loaded while the one before works, if the memory of
// `most_loads` has room for both. Returns the cycles simulated, or -1.
__attribute__((visibility("default"))) int64_t run(void* handle, Pass* passes, int64_t count, int64_t most_loads) {
    Core& d = static_cast<Design*>(handle)->core;
    const size_t weight_chunks = chunks_of(d.weights___05Fpayload);
    const size_t map_row_chunks = chunks_of(d.map_rows___05Fpayload);
    const size_t line_chunks = chunks_of(d.line);
    const int64_t lead = 2;  // cycles from the start to cycle 0
    const size_t row_chunks = chunks_of(d.rows___05Fpayload);
    const size_t scale_chunks = chunks_of(d.scales___05Fpayload);
    const int64_t most_encoding = 1 << 20;  // cycles from the end of the last pass to that of its words
    int64_t simulated = 0;
    int64_t words_of = 0, entries_of = 0, ended = 0;  // passes whose outputs come next; segments of the first
    int64_t read = -1;  // line that was read in the cycle before
    int64_t loading = 0, weight = 0, scale = 0;  // pass whose weights are loaded, and how far
    for (int64_t n = 0; n < count; n++) {
        Pass& p = passes[n];
        bool started = false, over = false;
        int64_t cycle = -lead, map_row = 0, row = 0, ready = 0;
        while (true) {
            const bool loads =
                loading < count &&
                (loading == n || passes[n].weight_count + passes[loading].weight_count <= most_loads);
            const bool loads_weight = loads && weight < passes[loading].weight_count;
            const bool loads_scale = loads && scale < passes[loading].scale_count;
            const bool starts = !started && loading == n && !loads_weight && !loads_scale;
            d.weights___05Fvalid = loads_weight;
            if (loads_weight)
                put(d.weights___05Fpayload, passes[loading].weights + weight * weight_chunks);
            d.scales___05Fvalid = loads_scale;
            if (loads_scale)
                put(d.scales___05Fpayload, passes[loading].scales + scale * scale_chunks);
            d.start = starts;
            if (starts) put(d.config, p.config);
            // What was asked and read in the cycle before is known from its end.
            d.slot = started && cycle >= 0 && cycle % p.period == 0;
            const auto in_buffer = [&](int64_t line) { return line < p.line_count && p.there[line] <= cycle; };
            d.there = in_buffer(d.asks___05F0) | in_buffer(d.asks___05F1) << 1;
            if (read >= 0) put(d.line, p.lines + read * line_chunks);
            if (starts) put(d.lengths, p.lengths);
            d.map_rows___05Fvalid = (starts || started) && map_row < p.map_row_count;
            if (map_row < p.map_row_count) put(d.map_rows___05Fpayload, p.map_rows + map_row * map_row_chunks);
            d.rows___05Fvalid = started && row < p.row_count;
            if (started && row < p.row_count) put(d.rows___05Fpayload, p.rows + row * row_chunks);
            d.coded___05Fready = p.ready[ready] & 1;
            d.index___05Fready = p.ready[ready] >> 1 & 1;

            d.clk = 0;
            d.eval();
            if (over && !d.encoding) break;
            const bool done = d.done;
            bool overrun = false;
            map_row += d.map_rows___05Fvalid && d.map_rows___05Fready;
            read = d.reads___05Fvalid ? int64_t(d.reads___05Fpayload) : -1;
            overrun |= read >= p.line_count;
            for (int bit : {0, 2, 3, 4, 5}) {
                if (!started || !(d.events >> bit & 1)) continue;
                if (p.event_count == p.event_room)
                    overrun = true;
                else
                    p.events[p.event_count++] = cycle * 8 + bit;
            }
            if (started && row < p.row_count && d.rows___05Fready) row++;
            p.taps += d.events >> 1 & 1;
            p.error |= cycle >= 0 && d.error;  // the error of a pass before lasts until the start
            if (d.coded___05Fvalid && (p.ready[ready] & 1)) {
                const auto& payload = d.coded___05Fpayload;
                Pass& made = passes[words_of];
                if (words_of > n || made.coded_count == made.coded_room) {
                    overrun = true;
                } else {
                    made.coded[made.coded_count] = uint64_t(payload[1]) << 32 | payload[0];
                    made.coded_last[made.coded_count++] = payload[2];
                    ended += payload[2];
                    if (ended == made.segments) {
                        words_of++;
                        ended = 0;
                    }
                }
            }
            if (d.index___05Fvalid && (p.ready[ready] >> 1 & 1)) {
                Pass& made = passes[entries_of];
                if (entries_of > n) {
                    overrun = true;
                } else {
                    made.index[made.index_count++] = d.index___05Fpayload;
                    entries_of += made.index_count == made.segments;
                }
            }
            d.clk = 1;
            d.eval();
            simulated++;

            weight += loads_weight;
            scale += loads_scale;
            if (starts) {
                started = true;
                loading = n + 1;
                weight = scale = 0;
                cycle = -lead;
            }
            if (started) {
                cycle++;
                ready = ready + 1 == p.ready_count ? 0 : ready + 1;
            }
            if (started && done && !over) {
                p.cycles = cycle;
                over = true;
                if (n + 1 < count) break;
            }
            if (overrun || cycle > (over ? p.cycles + most_encoding : p.most_cycles)) return -1;
        }
    }
    return simulated;
}

}  // extern "C"
