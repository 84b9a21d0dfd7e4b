// Shared by all kernels. Compiled at run time without any header, so types are defined and bfloat16 is handled by hand.
// OFFLOAD_BFLOAT16 is set before this text: 1: Element is bfloat16; 0: float. Everything is computed in fp32; sums are taken in an order
// that depends on the shape alone, so that the same inputs give the same bits on every run and every device.
// Names: V elements are loaded at once (LANES: 16 bytes; 1: any alignment); rows are row-major; offsets that may pass 2^31 are i64.

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#if OFFLOAD_BFLOAT16
typedef u16 Element;
#define LANES 8
#else
typedef float Element;
#define LANES 4
#endif

#define ALL_LANES 0xffffffffu

__device__ inline float WidenBits(u32 bits)
{
    return __uint_as_float(bits << 16);
}

// Nearest, ties to even; every NaN becomes 0x7FC0: the bits of BFloat16Convert.FromSingle.
__device__ inline u32 RoundBits(float value)
{
    u32 bits = __float_as_uint(value);
    u32 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return value != value ? 0x7fc0u : rounded;
}

// Two neighbours in one word, the first in the low half. The instruction rounds as RoundBits does, but its NaN is 0x7FFF.
__device__ inline u32 RoundPair(float first, float second)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
    return pair;
#else
    return RoundBits(first) | (RoundBits(second) << 16);
#endif
}

template <int V> struct Packed;
template <> struct Packed<LANES> { uint4 bits; };
template <> struct Packed<1> { Element bits; };

__device__ inline Packed<LANES> LoadPacked(const Element* address, Packed<LANES>*)
{
    Packed<LANES> result;
    result.bits = *(const uint4*)address;
    return result;
}

__device__ inline Packed<1> LoadPacked(const Element* address, Packed<1>*)
{
    Packed<1> result;
    result.bits = *address;
    return result;
}

template <int V> __device__ inline Packed<V> LoadPacked(const Element* address)
{
    return LoadPacked(address, (Packed<V>*)0);
}

__device__ inline Packed<LANES> Nothing(Packed<LANES>*)
{
    Packed<LANES> result;
    result.bits.x = 0;
    result.bits.y = 0;
    result.bits.z = 0;
    result.bits.w = 0;
    return result;
}

__device__ inline Packed<1> Nothing(Packed<1>*)
{
    Packed<1> result;
    result.bits = 0;
    return result;
}

template <int V> __device__ inline Packed<V> Nothing()
{
    return Nothing((Packed<V>*)0);
}

__device__ inline void StorePacked(Element* address, Packed<LANES> value)
{
    *(uint4*)address = value.bits;
}

__device__ inline void StorePacked(Element* address, Packed<1> value)
{
    *address = value.bits;
}

__device__ inline void UnpackPair(u32 pair, float& first, float& second)
{
    first = __uint_as_float(pair << 16);
    second = __uint_as_float(pair & 0xffff0000u);
}

#if OFFLOAD_BFLOAT16

__device__ inline void Unpack(Packed<8> packed, float (&value)[8])
{
    UnpackPair(packed.bits.x, value[0], value[1]);
    UnpackPair(packed.bits.y, value[2], value[3]);
    UnpackPair(packed.bits.z, value[4], value[5]);
    UnpackPair(packed.bits.w, value[6], value[7]);
}

__device__ inline void Unpack(Packed<1> packed, float (&value)[1])
{
    value[0] = WidenBits(packed.bits);
}

__device__ inline Packed<8> Pack(const float (&value)[8])
{
    Packed<8> result;
    result.bits.x = RoundPair(value[0], value[1]);
    result.bits.y = RoundPair(value[2], value[3]);
    result.bits.z = RoundPair(value[4], value[5]);
    result.bits.w = RoundPair(value[6], value[7]);
    return result;
}

__device__ inline Packed<1> Pack(const float (&value)[1])
{
    Packed<1> result;
    result.bits = (u16)RoundBits(value[0]);
    return result;
}

#else

__device__ inline void Unpack(Packed<4> packed, float (&value)[4])
{
    value[0] = __uint_as_float(packed.bits.x);
    value[1] = __uint_as_float(packed.bits.y);
    value[2] = __uint_as_float(packed.bits.z);
    value[3] = __uint_as_float(packed.bits.w);
}

__device__ inline void Unpack(Packed<1> packed, float (&value)[1])
{
    value[0] = packed.bits;
}

__device__ inline Packed<4> Pack(const float (&value)[4])
{
    Packed<4> result;
    result.bits.x = __float_as_uint(value[0]);
    result.bits.y = __float_as_uint(value[1]);
    result.bits.z = __float_as_uint(value[2]);
    result.bits.w = __float_as_uint(value[3]);
    return result;
}

__device__ inline Packed<1> Pack(const float (&value)[1])
{
    Packed<1> result;
    result.bits = value[0];
    return result;
}

#endif

template <int V> __device__ inline void Load(const Element* address, float (&value)[V])
{
    Unpack(LoadPacked<V>(address), value);
}

template <int V> __device__ inline void Store(Element* address, const float (&value)[V])
{
    StorePacked(address, Pack(value));
}

// V floats; 16-byte aligned unless V is 1.
template <int V> __device__ inline void LoadFloats(const float* address, float (&value)[V])
{
    if (V == 1)
    {
        value[0] = *address;
    }
    else
    {
#pragma unroll
        for (int i = 0; i < V; i += 4)
        {
            float4 four = *(const float4*)(address + i);
            value[i] = four.x;
            value[i + 1 < V ? i + 1 : i] = four.y;
            value[i + 2 < V ? i + 2 : i] = four.z;
            value[i + 3 < V ? i + 3 : i] = four.w;
        }
    }
}

template <int V> __device__ inline void StoreFloats(float* address, const float (&value)[V])
{
    if (V == 1)
    {
        *address = value[0];
    }
    else
    {
#pragma unroll
        for (int i = 0; i < V; i += 4)
        {
            float4 four;
            four.x = value[i];
            four.y = value[i + 1 < V ? i + 1 : i];
            four.z = value[i + 2 < V ? i + 2 : i];
            four.w = value[i + 3 < V ? i + 3 : i];
            *(float4*)(address + i) = four;
        }
    }
}

// In every lane the same bits: an addition does not depend on the order of its two operands. All 32 lanes must call.
__device__ inline float WarpSum(float value)
{
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2)
    {
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    }

    return value;
}

__device__ inline float WarpMax(float value)
{
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2)
    {
        value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, distance));
    }

    return value;
}

// Sums over the block, the same bits in every thread. All threads must call; the block's size is a multiple of 32.
template <int K> __device__ inline void BlockSum(float (&value)[K])
{
    __shared__ float parts[K][32];
    int numWarps = blockDim.x / 32;
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < K; k++)
    {
        value[k] = WarpSum(value[k]);
    }

    if (numWarps == 1)
    {
        return;
    }

    // An earlier call's parts may still be read.
    __syncthreads();
    if (lane == 0)
    {
#pragma unroll
        for (int k = 0; k < K; k++)
        {
            parts[k][threadIdx.x / 32] = value[k];
        }
    }

    __syncthreads();
#pragma unroll
    for (int k = 0; k < K; k++)
    {
        value[k] = WarpSum(lane < numWarps ? parts[k][lane] : 0.0f);
    }
}

__device__ inline float BlockMax(float value)
{
    __shared__ float parts[32];
    int numWarps = blockDim.x / 32;
    int lane = threadIdx.x % 32;
    value = WarpMax(value);
    __syncthreads();
    if (lane == 0)
    {
        parts[threadIdx.x / 32] = value;
    }

    __syncthreads();
    return WarpMax(lane < numWarps ? parts[lane] : -__int_as_float(0x7f800000));
}

// Where results are rounded to bfloat16, the hardware's approximations (2 units in the last place of fp32) do not show; fp32 runs get the exact functions.
__device__ inline float Exponential(float x)
{
#if OFFLOAD_BFLOAT16
    return __expf(x);
#else
    return expf(x);
#endif
}

__device__ inline float Quotient(float dividend, float divisor)
{
#if OFFLOAD_BFLOAT16
    return __fdividef(dividend, divisor);
#else
    return __fdiv_rn(dividend, divisor);
#endif
}
