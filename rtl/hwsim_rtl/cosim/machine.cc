// Drives a whole machine, clock by clock, through a run; memory is on this side, with the times of the model's channel.
//
// A cycle is two evaluations: inputs change while the clock is low, outputs are read, the clock rises.

#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include <verilated.h>

#include "Core.h"

namespace {

constexpr int BEAT = 32;          // bytes
// Given: ADDRESS_BITS of a request, below its number of beats; LINE_BITS of a line's number, below what is stored there.
constexpr size_t WAITING = 128;   // reads that memory takes ahead

struct Read {
    int64_t address, beats, gone, request;
};

struct Write {
    int64_t address, beats, arrived;
};

}  // namespace

extern "C" {

struct Run {
    uint8_t* memory;
    int64_t memory_bytes;
    int64_t image_at, image_beats;
    int64_t latency;              // of a read
    int64_t moved, moved_cycles;  // the channel moves so many bytes in so many cycles
    int64_t idle;                 // cycles before the start, in which accumulators are cleared
    int64_t most_cycles;
    int64_t abort_at;             // a cycle in which to abort, after which the run begins anew; -1: none
    int64_t error_at;             // a beat that is answered with an error; -1: none
    int64_t* layer_ends;
    int64_t layer_room;
    uint32_t* stores;             // of each: layer, line, parts, and 16 chunks of the line
    int64_t store_room;
    int64_t* passes;              // of each, as they are done: core, cycle in which it was told to start, last cycle
    int64_t pass_room, cores;     // at most 64 cores
    // Results.
    int64_t layers, pass_count, store_count, cycles, error, beats_read, beats_written;
};

struct Machine {
    VerilatedContext context;
    Core core{&context};

    void step() {
        core.clk = 0;
        core.eval();
        core.clk = 1;
        core.eval();
    }
};

__attribute__((visibility("default"))) Machine* create() { return new Machine; }
__attribute__((visibility("default"))) void destroy(Machine* machine) { delete machine; }

// Returns 0 if the run came to its end, 1 if it did not, 2 if it asked for what there is not.
__attribute__((visibility("default"))) int64_t run(Machine* machine, Run* r) {
    Core& core = machine->core;
    std::deque<Read> reads;
    std::deque<Write> writes;
    int64_t free = 0, written = 0;
    auto busy = [&](int64_t beats) { return (beats * BEAT * r->moved_cycles + r->moved - 1) / r->moved; };
    core.control___05Fimage_at = r->image_at;
    core.control___05Fimage_beats = r->image_beats;
    core.memory___05Ferror = 0;
    std::vector<int64_t> told(r->cores);
    r->layers = r->pass_count = r->store_count = r->beats_read = r->beats_written = 0;
    for (int64_t cycle = 0; cycle < r->idle; cycle++) machine->step();
    bool begins = true, through = false;
    for (int64_t cycle = 0; cycle < r->most_cycles; cycle++) {
        core.control___05Fstart = begins;
        core.control___05Fabort = cycle == r->abort_at;
        begins = false;
        core.memory___05Fwritten = through;
        core.memory___05Freads___05Fready = reads.size() < WAITING;
        bool there = !reads.empty();
        if (there) {
            const Read& read = reads.front();
            there = read.request + r->latency + busy(read.gone + 1) <= cycle;
            std::memcpy(&core.memory___05Fread_data___05Fpayload, r->memory + BEAT * (read.address + read.gone), BEAT);
            if (there && read.address + read.gone == r->error_at) core.memory___05Ferror = 1;
        }
        core.memory___05Fread_data___05Fvalid = there;
        core.memory___05Fwrites___05Fready = writes.empty();
        core.memory___05Fwrite_data___05Fready = !writes.empty() && writes.front().arrived < writes.front().beats;
        core.clk = 0;
        core.eval();
        const bool done = core.control___05Fdone;
        if (done) r->cycles = cycle;
        if (core.layer_ends && r->layers < r->layer_room) r->layer_ends[r->layers++] = cycle;
        for (int n = 0; n < r->cores; n++) {
            if (core.done >> n & 1 && r->pass_count < r->pass_room) {
                int64_t* pass = r->passes + 3 * r->pass_count++;
                pass[0] = n, pass[1] = told[n], pass[2] = cycle;
            }
            if (core.told >> n & 1) told[n] = cycle;
        }
        if (core.stored && r->store_count < r->store_room) {
            uint32_t* store = r->stores + 19 * r->store_count++;
            const uint32_t* bits = reinterpret_cast<const uint32_t*>(&core.store);
            auto field = [&](int at, int width) {
                uint64_t two = bits[at / 32] | ((at + width - 1) / 32 > at / 32 ? uint64_t(bits[at / 32 + 1]) << 32 : 0);
                return uint32_t(two >> at % 32 & ((uint64_t(1) << width) - 1));
            };
            store[0] = r->layers;
            store[1] = field(0, LINE_BITS);
            for (int i = 0; i < 16; i++) store[3 + i] = field(LINE_BITS + 32 * i, 32);
            store[2] = field(LINE_BITS + 512, 16);
        }
        if (core.memory___05Fread_data___05Fvalid && core.memory___05Fread_data___05Fready) {
            r->beats_read++;
            if (++reads.front().gone == reads.front().beats) reads.pop_front();
        }
        if (core.memory___05Fwrite_data___05Fvalid && core.memory___05Fwrite_data___05Fready) {
            Write& write = writes.front();
            const uint32_t* beat = reinterpret_cast<const uint32_t*>(&core.memory___05Fwrite_data___05Fpayload);
            for (int i = 0; i < BEAT; i++)
                if (beat[8] >> i & 1)
                    r->memory[BEAT * (write.address + write.arrived) + i] = beat[i / 4] >> 8 * (i % 4);
            write.arrived++;
            r->beats_written++;
        }
        const uint64_t mask = (uint64_t(1) << ADDRESS_BITS) - 1;
        if (core.memory___05Freads___05Fvalid && core.memory___05Freads___05Fready) {
            const uint64_t request = core.memory___05Freads___05Fpayload;
            const int64_t address = request & mask, beats = request >> ADDRESS_BITS;
            if (beats == 0 || BEAT * (address + beats) > r->memory_bytes) return 2;
            const int64_t asked = cycle > free ? cycle : free;
            free = asked + busy(beats);
            reads.push_back({address, beats, 0, asked});
        }
        if (core.memory___05Fwrites___05Fvalid && core.memory___05Fwrites___05Fready) {
            const uint64_t request = core.memory___05Fwrites___05Fpayload;
            const int64_t address = request & mask, beats = request >> ADDRESS_BITS;
            if (beats == 0 || BEAT * (address + beats) > r->memory_bytes) return 2;
            writes.push_back({address, beats, 0});
            written = 0;
        }
        through = false;
        if (!writes.empty()) {
            const int64_t all = BEAT * r->moved_cycles;
            if (cycle >= free) {
                written += r->moved;
                if (written > writes.front().arrived * all) written = writes.front().arrived * all;
            }
            if (written == writes.front().beats * all) {
                through = true;
                writes.pop_front();
            }
        }
        if (cycle == r->abort_at) {
            reads.clear();
            writes.clear();
            through = false;
            core.memory___05Ferror = 0;
            begins = true;
        }
        core.clk = 1;
        core.eval();
        if (done) {
            core.control___05Fstart = 0;
            core.clk = 0;
            core.eval();
            r->error = core.control___05Ferror;
            core.clk = 1;
            core.eval();
            return 0;
        }
    }
    return 1;
}

}
