// Softmax cross-entropy of rows, the gradient in place. A block for a row: one pass for the maximum and the sum of exponentials at once, one for the gradient, which
// finds the row in the cache. Rows may begin at any alignment: up to LANES - 1 elements at either end are taken singly.

struct RunningSum
{
    float max;
    float sum;
};

// An exponent's base: of a maximum of minus infinity, any finite one serves, and NaNs still come through.
__device__ inline float Base(float max)
{
    return max == -__int_as_float(0x7f800000) ? 0.0f : max;
}

template <int COUNT> __device__ inline void Include(RunningSum& running, const float (&value)[COUNT])
{
    float max = running.max;
#pragma unroll
    for (int j = 0; j < COUNT; j++)
    {
        max = fmaxf(max, value[j]);
    }

    float base = Base(max);
    float sum = running.sum * Exponential(running.max - base);
#pragma unroll
    for (int j = 0; j < COUNT; j++)
    {
        sum += Exponential(value[j] - base);
    }

    running.max = max;
    running.sum = sum;
}

__device__ inline float Gradient(float logit, float max, float sum, float factor, float gradScale, bool isTarget)
{
    float exponential = Exponential(logit - max);
    // (p - 1) without p's rounding.
    return isTarget ? __fdiv_rn(exponential - sum, sum) * gradScale : exponential * factor;
}

extern "C" __global__ void __launch_bounds__(512) cross_entropy(
    Element* logits, const int* targets, int vocabulary, float gradScale, int withGradient, float* rowLosses)
{
    const int U = 4;
    Element* row = logits + (i64)blockIdx.x * vocabulary;
    int target = targets[blockIdx.x];
    int head = (int)((16 - ((u64)row & 15)) & 15) / (int)sizeof(Element);
    head = head < vocabulary ? head : vocabulary;
    int numVectors = (vocabulary - head) / LANES;
    int tail = head + numVectors * LANES;
    if (target < 0)
    {
        if (threadIdx.x == 0)
        {
            rowLosses[blockIdx.x] = 0;
        }

        if (withGradient)
        {
            for (int i = threadIdx.x; i < numVectors; i += blockDim.x)
            {
                StorePacked(row + head + i * LANES, Nothing<LANES>());
            }

            for (int i = threadIdx.x; i < head; i += blockDim.x)
            {
                StoreOne(row + i, 0);
            }

            for (int i = tail + threadIdx.x; i < vocabulary; i += blockDim.x)
            {
                StoreOne(row + i, 0);
            }
        }

        return;
    }

    // Before the first barrier: afterwards it is overwritten.
    float targetLogit = threadIdx.x == 0 ? LoadOne(row + target) : 0.0f;
    RunningSum running;
    running.max = -__int_as_float(0x7f800000);
    running.sum = 0;
    for (int i = threadIdx.x; i < numVectors; i += blockDim.x * U)
    {
        Packed<LANES> packed[U];
#pragma unroll
        for (int u = 0; u < U; u++)
        {
            int at = i + u * blockDim.x;
            packed[u] = at < numVectors ? LoadPacked<LANES>(row + head + at * LANES) : Nothing<LANES>();
        }

#pragma unroll
        for (int u = 0; u < U; u++)
        {
            if (i + u * blockDim.x < numVectors)
            {
                float value[LANES];
                Unpack(packed[u], value);
                Include(running, value);
            }
        }
    }

    for (int i = threadIdx.x; i < head + vocabulary - tail; i += blockDim.x)
    {
        float value[1];
        value[0] = LoadOne(row + (i < head ? i : tail + i - head));
        Include(running, value);
    }

    float max = BlockMax(running.max);
    float sums[1];
    sums[0] = running.sum * Exponential(running.max - Base(max));
    BlockSum(sums);
    float sum = sums[0];
    if (threadIdx.x == 0)
    {
        // Distances to the maximum are exact or nearly so, however large the logits; a log-sum-exp rounded to fp32 is not.
        rowLosses[blockIdx.x] = (float)(log((double)sum) - (double)(targetLogit - max));
    }

    if (!withGradient)
    {
        return;
    }

    float factor = __fdiv_rn(gradScale, sum);
    for (int i = threadIdx.x; i < numVectors; i += blockDim.x * U)
    {
        Packed<LANES> packed[U];
#pragma unroll
        for (int u = 0; u < U; u++)
        {
            int at = i + u * blockDim.x;
            packed[u] = at < numVectors ? LoadPacked<LANES>(row + head + at * LANES) : Nothing<LANES>();
        }

#pragma unroll
        for (int u = 0; u < U; u++)
        {
            int at = i + u * blockDim.x;
            if (at < numVectors)
            {
                int column = head + at * LANES;
                float value[LANES];
                Unpack(packed[u], value);
                if (target >= column && target < column + LANES)
                {
#pragma unroll
                    for (int j = 0; j < LANES; j++)
                    {
                        value[j] = Gradient(value[j], max, sum, factor, gradScale, column + j == target);
                    }
                }
                else
                {
#pragma unroll
                    for (int j = 0; j < LANES; j++)
                    {
                        value[j] = Exponential(value[j] - max) * factor;
                    }
                }

                Store(row + column, value);
            }
        }
    }

    for (int i = threadIdx.x; i < head + vocabulary - tail; i += blockDim.x)
    {
        int column = i < head ? i : tail + i - head;
        StoreOne(row + column, Gradient(LoadOne(row + column), max, sum, factor, gradScale, column == target));
    }
}

// One block of 512 threads.
extern "C" __global__ void __launch_bounds__(512) sum_losses(const float* rowLosses, i64 rows, double* result)
{
    __shared__ double sums[512];
    double sum = 0;
#pragma unroll 8
    for (i64 row = threadIdx.x; row < rows; row += 512)
    {
        sum += (double)rowLosses[row];
    }

    sums[threadIdx.x] = sum;
    for (int half = 256; half > 0; half /= 2)
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
