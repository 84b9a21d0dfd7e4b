// RMSNorm and LayerNorm. Formulas and rounding points: NormReference; one block works on a row, which stays in registers between the passes.

struct Statistics
{
    float mean;
    float inverse;
};

__device__ inline float InverseRoot(float squares, int width, float epsilon)
{
    return __frsqrt_rn(__fdiv_rn(squares, (float)width) + epsilon);
}

template <int N> __device__ inline Statistics RowStatistics(const Packed<LANES> (&row)[N], int width, bool centred, float epsilon)
{
    Statistics result;
    result.mean = 0;
    if (centred)
    {
        float sum[1] = {0};
#pragma unroll
        for (int k = 0; k < N; k++)
        {
            // Beyond the width there are zeros.
            float x[LANES];
            Unpack(row[k], x);
#pragma unroll
            for (int j = 0; j < LANES; j++)
            {
                sum[0] += x[j];
            }
        }

        BlockSum(sum);
        result.mean = __fdiv_rn(sum[0], (float)width);
    }

    float squares[1] = {0};
#pragma unroll
    for (int k = 0; k < N; k++)
    {
        if ((k * blockDim.x + threadIdx.x) * LANES < width)
        {
            float x[LANES];
            Unpack(row[k], x);
#pragma unroll
            for (int j = 0; j < LANES; j++)
            {
                float difference = x[j] - result.mean;
                squares[0] += difference * difference;
            }
        }
    }

    BlockSum(squares);
    result.inverse = InverseRoot(squares[0], width, epsilon);
    return result;
}

// residual null: y = norm(x). Otherwise sum = round(x + residual), y = norm(sum). bias may be null.
template <int N> __device__ inline void NormForward(
    const Element* x, const Element* residual, Element* sum, const Element* weight, const Element* bias, Element* y, int width, int centred, float epsilon)
{
    i64 start = (i64)blockIdx.x * width;
    Packed<LANES> row[N];
#pragma unroll
    for (int k = 0; k < N; k++)
    {
        int i = (k * blockDim.x + threadIdx.x) * LANES;
        row[k] = i < width ? LoadPacked<LANES>(x + start + i) : Nothing<LANES>();
    }

    if (residual != 0)
    {
        Packed<LANES> other[N];
#pragma unroll
        for (int k = 0; k < N; k++)
        {
            int i = (k * blockDim.x + threadIdx.x) * LANES;
            other[k] = i < width ? LoadPacked<LANES>(residual + start + i) : Nothing<LANES>();
        }

#pragma unroll
        for (int k = 0; k < N; k++)
        {
            int i = (k * blockDim.x + threadIdx.x) * LANES;
            float a[LANES];
            float b[LANES];
            Unpack(row[k], a);
            Unpack(other[k], b);
#pragma unroll
            for (int j = 0; j < LANES; j++)
            {
                a[j] += b[j];
            }

            row[k] = Pack(a);
            if (i < width)
            {
                StorePacked(sum + start + i, row[k]);
            }
        }
    }

    Statistics statistics = RowStatistics(row, width, centred != 0, epsilon);
#pragma unroll
    for (int k = 0; k < N; k++)
    {
        int i = (k * blockDim.x + threadIdx.x) * LANES;
        if (i < width)
        {
            float value[LANES];
            float w[LANES];
            Unpack(row[k], value);
            Load(weight + i, w);
#pragma unroll
            for (int j = 0; j < LANES; j++)
            {
                value[j] = (value[j] - statistics.mean) * statistics.inverse * w[j];
            }

            if (bias != 0)
            {
                float b[LANES];
                Load(bias + i, b);
#pragma unroll
                for (int j = 0; j < LANES; j++)
                {
                    value[j] += b[j];
                }
            }

            Store(y + start + i, value);
        }
    }
}

#define NORM_FORWARD(N, THREADS) \
    extern "C" __global__ void __launch_bounds__(THREADS) norm_forward_##N( \
        const Element* x, const Element* residual, Element* sum, const Element* weight, const Element* bias, Element* y, int width, int centred, float epsilon) \
    { \
        NormForward<N>(x, residual, sum, weight, bias, y, width, centred, epsilon); \
    }

NORM_FORWARD(1, 256)
NORM_FORWARD(4, 1024)

__device__ inline float LoadOne(const Element* address)
{
    float value[1];
    Load(address, value);
    return value[0];
}

__device__ inline void StoreOne(Element* address, float value)
{
    float values[1] = {value};
    Store(address, values);
}

__device__ inline Statistics StatisticsAny(const Element* row, int width, bool centred, float epsilon)
{
    Statistics result;
    result.mean = 0;
    if (centred)
    {
        float sum[1] = {0};
        for (int i = threadIdx.x; i < width; i += blockDim.x)
        {
            sum[0] += LoadOne(row + i);
        }

        BlockSum(sum);
        result.mean = __fdiv_rn(sum[0], (float)width);
    }

    float squares[1] = {0};
    for (int i = threadIdx.x; i < width; i += blockDim.x)
    {
        float difference = LoadOne(row + i) - result.mean;
        squares[0] += difference * difference;
    }

    BlockSum(squares);
    result.inverse = InverseRoot(squares[0], width, epsilon);
    return result;
}

// Any width and alignment: the row is read again from the cache. A thread reads and writes its own columns only.
extern "C" __global__ void __launch_bounds__(256) norm_forward_any(
    const Element* x, const Element* residual, Element* sum, const Element* weight, const Element* bias, Element* y, int width, int centred, float epsilon)
{
    i64 start = (i64)blockIdx.x * width;
    const Element* row = x + start;
    if (residual != 0)
    {
        for (int i = threadIdx.x; i < width; i += blockDim.x)
        {
            StoreOne(sum + start + i, LoadOne(row + i) + LoadOne(residual + start + i));
        }

        row = sum + start;
    }

    Statistics statistics = StatisticsAny(row, width, centred != 0, epsilon);
    for (int i = threadIdx.x; i < width; i += blockDim.x)
    {
        float value = (LoadOne(row + i) - statistics.mean) * statistics.inverse * LoadOne(weight + i);
        StoreOne(y + start + i, bias != 0 ? value + LoadOne(bias + i) : value);
    }
}
