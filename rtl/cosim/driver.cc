// Drives a core, clock by clock, through a sequence of passes. One call takes the whole stimulus.
//
// One evaluation a cycle: the design has one clock and no combinational path from an input to an output that
// its driver reads back in the same cycle. Outputs are read between eval and commit, when registers still hold
// the values of the cycle that ends.

#include <cstddef>
#include <cstdint>

#include "core.h"

namespace {

using Design = cxxrtl_design::p_core;

template <size_t Bits>
void put(cxxrtl::value<Bits>& port, const uint32_t* chunks) {
    for (size_t i = 0; i < cxxrtl::value<Bits>::chunks; i++) port.data[i] = chunks[i];
}

template <size_t Bits>
const cxxrtl::value<Bits>& now(const cxxrtl::value<Bits>& port) { return port; }

template <size_t Bits>
const cxxrtl::value<Bits>& now(const cxxrtl::wire<Bits>& port) { return port.curr; }

template <typename Port>
bool high(const Port& port) { return now(port).data[0]; }

template <size_t Bits>
constexpr size_t chunks_of(const cxxrtl::value<Bits>&) { return cxxrtl::value<Bits>::chunks; }

}  // namespace

extern "C" {

// Payloads are arrays of 32-bit chunks, least significant first, as many as the port needs.
struct Pass {
    const uint32_t* config;
    const uint32_t* words;     // payloads
    const int64_t* arrival;    // cycle of the pass from which a word is there
    int64_t word_count;
    const uint32_t* rows;
    int64_t row_count;
    const uint32_t* weights;
    int64_t weight_count;
    const uint32_t* scales;
    int64_t scale_count;
    const uint8_t* ready;      // bit 0: coded words are taken, bit 1: index entries; repeats over the cycles
    int64_t ready_count;
    int64_t most_cycles;
    // Results.
    uint64_t* coded;           // data of the output words
    uint8_t* coded_last;
    int64_t coded_room;
    int64_t coded_count;
    uint32_t* index;
    int64_t index_room;
    int64_t index_count;
    int64_t cycles;            // from start to done; 0: not done within most_cycles or its room
    int64_t symbols;
    int64_t taps;
    int64_t words_read;
    int64_t error;
};

__attribute__((visibility("default"))) void* create() { return new Design; }

__attribute__((visibility("default"))) void destroy(void* design) { delete static_cast<Design*>(design); }

// Runs passes in order; the weights of each are loaded while the one before works, if the memory of
// `weight_words` has room for both. Returns the cycles simulated, or -1.
__attribute__((visibility("default"))) int64_t run(void* handle, Pass* passes, int64_t count, int64_t weight_words) {
    Design& d = *static_cast<Design*>(handle);
    const size_t weight_chunks = chunks_of(d.p_weights____payload);
    const size_t word_chunks = chunks_of(d.p_words____payload);
    const size_t row_chunks = chunks_of(d.p_rows____payload);
    const size_t scale_chunks = chunks_of(d.p_scales____payload);
    int64_t simulated = 0;
    int64_t loading = 0, weight = 0, scale = 0;  // pass whose weights are loaded, and how far
    for (int64_t n = 0; n < count; n++) {
        Pass& p = passes[n];
        bool started = false;
        int64_t cycle = -1, word = 0, row = 0, ready = 0;
        while (true) {
            const bool loads =
                loading < count &&
                (loading == n || passes[n].weight_count + passes[loading].weight_count <= weight_words);
            const bool loads_weight = loads && weight < passes[loading].weight_count;
            const bool loads_scale = loads && scale < passes[loading].scale_count;
            const bool starts = !started && loading == n && !loads_weight && !loads_scale;
            d.p_weights____valid.data[0] = loads_weight;
            if (loads_weight)
                put(d.p_weights____payload, passes[loading].weights + weight * weight_chunks);
            d.p_scales____valid.data[0] = loads_scale;
            if (loads_scale)
                put(d.p_scales____payload, passes[loading].scales + scale * scale_chunks);
            d.p_start.data[0] = starts;
            if (starts) put(d.p_config, p.config);
            const bool word_there = started && word < p.word_count && p.arrival[word] <= cycle;
            d.p_words____valid.data[0] = word_there;
            if (word_there) put(d.p_words____payload, p.words + word * word_chunks);
            d.p_rows____valid.data[0] = started && row < p.row_count;
            if (started && row < p.row_count) put(d.p_rows____payload, p.rows + row * row_chunks);
            d.p_coded____ready.data[0] = p.ready[ready] & 1;
            d.p_index____ready.data[0] = p.ready[ready] >> 1 & 1;

            d.prev_p_clk.data[0] = 0;
            d.p_clk.data[0] = 1;
            d.eval();
            const bool done = high(d.p_done);
            if (word_there && high(d.p_words____ready)) word++;
            if (started && row < p.row_count && high(d.p_rows____ready)) row++;
            p.symbols += now(d.p_events).data[0] & 1;
            p.taps += now(d.p_events).data[0] >> 1 & 1;
            p.error |= started && high(d.p_error);  // the error of a pass before lasts until the start
            bool overrun = false;
            if (high(d.p_coded____valid) && (p.ready[ready] & 1)) {
                const auto& payload = now(d.p_coded____payload);
                if (p.coded_count == p.coded_room) {
                    overrun = true;
                } else {
                    p.coded[p.coded_count] = uint64_t(payload.data[1]) << 32 | payload.data[0];
                    p.coded_last[p.coded_count++] = payload.data[2];
                }
            }
            if (high(d.p_index____valid) && (p.ready[ready] >> 1 & 1)) {
                if (p.index_count == p.index_room)
                    overrun = true;
                else
                    p.index[p.index_count++] = now(d.p_index____payload).data[0];
            }
            d.commit();
            simulated++;

            weight += loads_weight;
            scale += loads_scale;
            if (starts) {
                started = true;
                loading = n + 1;
                weight = scale = 0;
                cycle = -1;
            }
            if (started) {
                cycle++;
                ready = ready + 1 == p.ready_count ? 0 : ready + 1;
            }
            if (started && done) {
                p.cycles = cycle;
                p.words_read = word;
                break;
            }
            if (overrun || cycle > p.most_cycles) return -1;
        }
    }
    return simulated;
}

}  // extern "C"
