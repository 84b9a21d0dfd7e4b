// Gradients' rounding and norm, AdamW. Bit for bit as on the CPU where said: every line of Update is one IEEE binary32 operation; the compiler fuses none of these.

extern "C" __global__ void __launch_bounds__(256) add_floats(float* destination, const float* source, i64 count)
{
    i64 at = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * 4;
    if (at + 4 <= count)
    {
        float a[4];
        float b[4];
        LoadFloats(destination + at, a);
        LoadFloats(source + at, b);
#pragma unroll
        for (int j = 0; j < 4; j++)
        {
            a[j] += b[j];
        }

        StoreFloats(destination + at, a);
    }
    else
    {
        for (; at < count; at++)
        {
            destination[at] += source[at];
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) add_floats_any(float* destination, const float* source, i64 count)
{
    i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at < count)
    {
        destination[at] += source[at];
    }
}

extern "C" __global__ void __launch_bounds__(256) round_to_bfloat16(const float* source, u16* destination, i64 count)
{
    i64 at = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * 8;
    if (at + 8 <= count)
    {
        float value[8];
        LoadFloats(source + at, value);
        uint4 bits;
        bits.x = RoundBits(value[0]) | (RoundBits(value[1]) << 16);
        bits.y = RoundBits(value[2]) | (RoundBits(value[3]) << 16);
        bits.z = RoundBits(value[4]) | (RoundBits(value[5]) << 16);
        bits.w = RoundBits(value[6]) | (RoundBits(value[7]) << 16);
        *(uint4*)(destination + at) = bits;
    }
    else
    {
        for (; at < count; at++)
        {
            destination[at] = (u16)RoundBits(source[at]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) round_to_bfloat16_any(const float* source, u16* destination, i64 count)
{
    i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at < count)
    {
        destination[at] = (u16)RoundBits(source[at]);
    }
}

// Eight gradients as float32; aligned: 16 bytes at once.
template <bool IS_FLOAT32, bool IS_ALIGNED> __device__ inline void LoadGradients(const void* gradient, i64 at, float (&value)[8])
{
    const float* floats = (const float*)gradient + at;
    const u16* narrow = (const u16*)gradient + at;
    if (IS_FLOAT32 && IS_ALIGNED)
    {
        LoadFloats(floats, value);
    }
    else if (IS_ALIGNED)
    {
        uint4 bits = *(const uint4*)narrow;
        UnpackPair(bits.x, value[0], value[1]);
        UnpackPair(bits.y, value[2], value[3]);
        UnpackPair(bits.z, value[4], value[5]);
        UnpackPair(bits.w, value[6], value[7]);
    }
    else
    {
#pragma unroll
        for (int j = 0; j < 8; j++)
        {
            value[j] = IS_FLOAT32 ? floats[j] : WidenBits(narrow[j]);
        }
    }
}

__device__ inline float LoadGradient(const void* gradient, int isFloat32, i64 at)
{
    return isFloat32 ? ((const float*)gradient)[at] : WidenBits(((const u16*)gradient)[at]);
}

// Sum of a thread's squares, which are exact in double: of eight gradients in turns of 256 threads.
template <bool IS_FLOAT32, bool IS_ALIGNED> __device__ inline double SumSquares(const void* gradient, i64 first, i64 end)
{
    double sum[4] = {};
#pragma unroll 4
    for (i64 at = first + threadIdx.x * 8; at + 8 <= end; at += 256 * 8)
    {
        float value[8];
        LoadGradients<IS_FLOAT32, IS_ALIGNED>(gradient, at, value);
#pragma unroll
        for (int j = 0; j < 8; j++)
        {
            sum[j % 4] += (double)value[j] * (double)value[j];
        }
    }

    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// 256 threads; block b takes the chunk elements from b * chunk on; chunk is a multiple of 8. Alignment does not show in the sum.
extern "C" __global__ void __launch_bounds__(256) square_partials(const void* gradient, int isFloat32, int isAligned, i64 count, i64 chunk, double* partials)
{
    __shared__ double sums[256];
    i64 first = blockIdx.x * chunk;
    i64 end = first + chunk < count ? first + chunk : count;
    double sum;
    if (isFloat32)
    {
        sum = isAligned ? SumSquares<true, true>(gradient, first, end) : SumSquares<true, false>(gradient, first, end);
    }
    else
    {
        sum = isAligned ? SumSquares<false, true>(gradient, first, end) : SumSquares<false, false>(gradient, first, end);
    }

    // Fewer than eight are left in the last block alone.
    i64 rest = end - (end - first) % 8;
    if (threadIdx.x < end - rest)
    {
        double value = LoadGradient(gradient, isFloat32, rest + threadIdx.x);
        sum += value * value;
    }

    sums[threadIdx.x] = sum;
    for (int half = 128; half > 0; half /= 2)
    {
        __syncthreads();
        if (threadIdx.x < half)
        {
            sums[threadIdx.x] += sums[threadIdx.x + half];
        }
    }

    if (threadIdx.x == 0)
    {
        partials[blockIdx.x] = sums[0];
    }
}

// One block of 1024 threads; at most as many partials.
extern "C" __global__ void __launch_bounds__(1024) add_square_partials(const double* partials, int numPartials, double* result)
{
    __shared__ double sums[1024];
    sums[threadIdx.x] = threadIdx.x < numPartials ? partials[threadIdx.x] : 0.0;
    for (int half = 512; half > 0; half /= 2)
    {
        __syncthreads();
        if (threadIdx.x < half)
        {
            sums[threadIdx.x] += sums[threadIdx.x + half];
        }
    }

    if (threadIdx.x == 0)
    {
        *result = sums[0];
    }
}

// AdamWStep's constants, in the order of the wrapper's structure.
struct AdamWConstants
{
    float gradientScale;
    float weightFactor;
    float lerpFactor;
    float secondMomentDecay;
    float secondMomentGain;
    float inverseRootCorrection;
    float epsilon;
    float negativeStepSize;
    int lerpFromGradient;
};

struct AdamWArrays
{
    u16* high;
    u16* low;
    float* firstMoment;
    float* secondMoment;
};

// The one NaN that weights and moments can be.
__device__ inline float Canonical(float value)
{
    return value != value ? __uint_as_float(0x7fc00000u) : value;
}

__device__ inline void Update(const AdamWConstants& step, float gradient, float& weight, float& firstMoment, float& secondMoment)
{
    float scaled = __fmul_rn(gradient, step.gradientScale);
    float difference = __fsub_rn(scaled, firstMoment);
    float newFirst = __fmaf_rn(difference, step.lerpFactor, step.lerpFromGradient ? scaled : firstMoment);
    float decayedSecond = __fmul_rn(secondMoment, step.secondMomentDecay);
    float gain = __fmul_rn(scaled, step.secondMomentGain);
    float newSecond = __fmaf_rn(gain, scaled, decayedSecond);
    float root = __fsqrt_rn(newSecond);
    float denominator = __fmaf_rn(root, step.inverseRootCorrection, step.epsilon);
    float direction = __fdiv_rn(newFirst, denominator);
    float decayedWeight = __fmul_rn(weight, step.weightFactor);
    float newWeight = __fmaf_rn(direction, step.negativeStepSize, decayedWeight);
    weight = Canonical(newWeight);
    firstMoment = Canonical(newFirst);
    secondMoment = Canonical(newSecond);
}

// SplitMaster: bits = (high << 16) + low with low signed; ties go up in magnitude.
__device__ inline float Join(u32 high, u32 low)
{
    return __uint_as_float((high << 16) + (low & 0xffffu) - ((low & 0x8000u) << 1));
}

__device__ inline u32 High(float canonicalMaster)
{
    return (__float_as_uint(canonicalMaster) + 0x8000u) >> 16;
}

__device__ inline u32 Low(float master)
{
    return __float_as_uint(master) & 0xffffu;
}

__device__ inline void JoinPairs(u32 high, u32 low, float& first, float& second)
{
    first = Join(high & 0xffffu, low & 0xffffu);
    second = Join(high >> 16, low >> 16);
}

__device__ inline void LoadMasters(const u16* high, const u16* low, float (&master)[8])
{
    uint4 highs = *(const uint4*)high;
    uint4 lows = *(const uint4*)low;
    JoinPairs(highs.x, lows.x, master[0], master[1]);
    JoinPairs(highs.y, lows.y, master[2], master[3]);
    JoinPairs(highs.z, lows.z, master[4], master[5]);
    JoinPairs(highs.w, lows.w, master[6], master[7]);
}

// Weights in the compute type: what the high halves are, or the masters.
__device__ inline void StoreWeight(void* weights, i64 at, float master)
{
#if OFFLOAD_BFLOAT16
    ((u16*)weights)[at] = (u16)High(master);
#else
    ((float*)weights)[at] = master;
#endif
}

__device__ inline void UpdateOne(
    const AdamWConstants& step, const AdamWArrays& source, const AdamWArrays& destination, const void* gradient, int isFloat32, void* weights, i64 at)
{
    float weight = Join(source.high[at], source.low[at]);
    float firstMoment = source.firstMoment[at];
    float secondMoment = source.secondMoment[at];
    Update(step, LoadGradient(gradient, isFloat32, at), weight, firstMoment, secondMoment);
    destination.firstMoment[at] = firstMoment;
    destination.secondMoment[at] = secondMoment;
    destination.high[at] = (u16)High(weight);
    destination.low[at] = (u16)Low(weight);
    if (weights != 0)
    {
        StoreWeight(weights, at, weight);
    }
}

// Eight parameters a thread. destination may be source; weights may be null.
extern "C" __global__ void __launch_bounds__(256) adamw(
    AdamWConstants step, AdamWArrays source, AdamWArrays destination, const void* gradient, int isFloat32, void* weights, i64 count)
{
    i64 at = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * 8;
    if (at + 8 <= count)
    {
        float master[8];
        float first[8];
        float second[8];
        float grad[8];
        LoadMasters(source.high + at, source.low + at, master);
        LoadFloats(source.firstMoment + at, first);
        LoadFloats(source.secondMoment + at, second);
        if (isFloat32)
        {
            LoadGradients<true, true>(gradient, at, grad);
        }
        else
        {
            LoadGradients<false, true>(gradient, at, grad);
        }

#pragma unroll
        for (int j = 0; j < 8; j++)
        {
            Update(step, grad[j], master[j], first[j], second[j]);
        }

        uint4 highs;
        uint4 lows;
        highs.x = High(master[0]) | (High(master[1]) << 16);
        highs.y = High(master[2]) | (High(master[3]) << 16);
        highs.z = High(master[4]) | (High(master[5]) << 16);
        highs.w = High(master[6]) | (High(master[7]) << 16);
        lows.x = Low(master[0]) | (Low(master[1]) << 16);
        lows.y = Low(master[2]) | (Low(master[3]) << 16);
        lows.z = Low(master[4]) | (Low(master[5]) << 16);
        lows.w = Low(master[6]) | (Low(master[7]) << 16);
        StoreFloats(destination.firstMoment + at, first);
        StoreFloats(destination.secondMoment + at, second);
        *(uint4*)(destination.high + at) = highs;
        *(uint4*)(destination.low + at) = lows;
        if (weights != 0)
        {
#if OFFLOAD_BFLOAT16
            *(uint4*)((u16*)weights + at) = highs;
#else
            StoreFloats((float*)weights + at, master);
#endif
        }
    }
    else
    {
        for (; at < count; at++)
        {
            UpdateOne(step, source, destination, gradient, isFloat32, weights, at);
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) adamw_any(
    AdamWConstants step, AdamWArrays source, AdamWArrays destination, const void* gradient, int isFloat32, void* weights, i64 count)
{
    i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at < count)
    {
        UpdateOne(step, source, destination, gradient, isFloat32, weights, at);
    }
}

__device__ inline void SetWeight(const u16* high, const u16* low, void* weights, i64 at)
{
#if OFFLOAD_BFLOAT16
    ((u16*)weights)[at] = high[at];
#else
    ((float*)weights)[at] = Join(high[at], low[at]);
#endif
}

// The compute weights of stored masters.
extern "C" __global__ void __launch_bounds__(256) set_weights(const u16* high, const u16* low, void* weights, i64 count)
{
    i64 at = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * 8;
    if (at + 8 <= count)
    {
#if OFFLOAD_BFLOAT16
        *(uint4*)((u16*)weights + at) = *(const uint4*)(high + at);
#else
        float master[8];
        LoadMasters(high + at, low + at, master);
        StoreFloats((float*)weights + at, master);
#endif
    }
    else
    {
        for (; at < count; at++)
        {
            SetWeight(high, low, weights, at);
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) set_weights_any(const u16* high, const u16* low, void* weights, i64 count)
{
    i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at < count)
    {
        SetWeight(high, low, weights, at);
    }
}
