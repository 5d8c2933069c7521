"""Where a packed network keeps what: fields of its plan (integers), in the order of the arrays.

All weights of a network lie in one array of floats, all memory of a stream in another, all lengths and positions in two
arrays of integers. So a call hands over few arrays, and the state of a stream is copied in one go.
"""

from __future__ import annotations

# Fields of the plan. Lengths are padded to whole vectors; padding is zero and adds nothing.
(
    WINDOW,  # samples of a window
    HOP,  # samples between frames
    FAST_TRANSFORM,  # 1 if the window is a power of two, 0 computes its transform as a matrix product
    FREQUENCIES,  # bins
    PADDED_FREQUENCIES,
    RESIDUAL,  # channels of the residual stream, padded
    CHANNELS,  # gated channels of a block
    PADDED_CHANNELS,  # at least one more: the channel behind the last is silent and fills groups
    BLOCKS,
    HIDDEN,  # hidden units of the widest gate, padded
    OUTPUTS,  # linear outputs of the probes, padded; 0 without probes
    TAPS,  # of the depthwise filters
    RECORD,  # floats from one channel's weights to the next's
    FRONTEND,  # position of the rows (residual channel, padded frequency)
    FRONTEND_BIAS,
    BACKEND,  # position of the rows (padded frequency, residual channel)
    BACKEND_BIAS,
    OUTPUT_BIAS,
    PADDED_WINDOW,
    ANALYSIS_WINDOW,  # position of the window
    ROOTS,  # position of the factors of the fast transform; how many are in the field behind it
    ROOT_COUNT,
    NORMS,  # one over the summed squares of the windows over a hop, by how many there are, (window, hop)
    EXACT_WINDOW,  # both in double precision, for analysis: position of their first half in floats
    EXACT_ROOTS,
    MATRIX,  # position of the slow transform: cosines (padded frequency, padded window), then sines
    INVERSE_MATRIX,  # its inverse: (padded window, padded frequency), of the real and of the imaginary part
    NO_BIAS,  # position of zeros
    EXPONENT,  # position of the exponent of the magnitudes and, behind it, of what float32 leaves out of it
    FLOOR,  # position of what is added to the magnitudes
    INPUT,  # positions in the state: samples of the frame that is being filled (window,)
    OVERLAP,  # what synthesis has added so far, (window,)
    SMOOTHED,  # smoothed outputs of the probes
    STATE_SIZE,  # floats
    SMOOTHING,  # position in the weights of the time constant in frames
    PLAN_FIELDS,
) = range(36)

BATCH = 16  # frames at most that are computed block by block, so that weights are read once for all of them

# Kinds of gates.
EVERY, FRAME, FIXED, RANDOM = range(4)
# Kinds of memory of a gate's hidden units.
NO_MEMORY, FILTER, AVERAGE = range(3)

# Fields of a block. Positions are in the weights unless said.
(
    DILATION,
    RECORDS,  # weights of channel c: RECORDS + c * RECORD; see RECORD below
    RING,  # position in the state: (slot, padded channel) after the first ReLU
    SLOTS,  # frames that the ring keeps
    HOLDS,  # 1: a channel that is off stays in the ring as it was; 0: it is 0 there
    GATE,  # kind
    STEM,  # rows (hidden unit, residual channel), or -1 for the hidden units of the block before
    STEM_BIAS,
    SKIP,  # rows (hidden unit, padded frequency), or -1 for a first layer that reads no magnitudes
    WIDTH,  # hidden units, padded
    MEMORY,  # kind
    MEMORY_WEIGHT,  # filter: (tap, hidden unit); average: its retention
    MEMORY_TAPS,
    MEMORY_STATE,  # position in the state: (tap, hidden unit) or (hidden unit,)
    EXPAND,  # rows (hidden unit, padded channel)
    EXPAND_BIAS,
    HYSTERESIS,  # half the distance of the thresholds; -1 without any
    HELD,  # position in the state of the last mask, with hysteresis
    FIXED_START,  # position of the active channels among all fixed ones
    FIXED_COUNT,
    SEED,  # of random channels
    THRESHOLD,  # of random channels
    BLOCK_FIELDS,
) = range(23)

# The record of a channel: its row of the first pointwise layer (residual channel), its column of the last one (residual
# channel), its weights in every output of the probes (output), the bias of the row, the bias of the filter, the taps.
# One record lies in one piece, so that what a frame needs of a channel comes from memory in one go.

# What becomes of a probe's linear output, first field of its head; the second: outputs that share a softmax; the third:
# frames that its average is over, 0 for one that is right in single frames.
AS_IT_IS, PROBABILITY, OCTAVES, POSTERIORS, HEAD_FIELDS = 0, 1, 2, 3, 3

# Fields of a stream's clock: frames so far, samples in the frame that is being filled, samples so far.
FRAME_NUMBER, FILLED, RECEIVED, CLOCK_FIELDS = range(4)
