// Backward of the norms. A block takes rowsPerBlock neighbouring rows, U at a time, and keeps the column sums of its rows in registers; add_partials adds those of
// all blocks. The results of a row are written by the threads that read it, after all was read: they may go where gradY or the addend was.

template <int N, int U, bool CENTRED> __device__ inline void NormBackward(
    const Element* x, const Element* weight, const Element* bias, const Element* gradY, const Element* addend, Element* gradX, Element* y,
    float* partials, i64 rows, int rowsPerBlock, int width, float epsilon)
{
    float weightPart[N][LANES] = {};
    float biasPart[CENTRED ? N : 1][LANES] = {};
    Packed<LANES> packedWeight[N];
#pragma unroll
    for (int k = 0; k < N; k++)
    {
        int i = (k * blockDim.x + threadIdx.x) * LANES;
        packedWeight[k] = i < width ? LoadPacked<LANES>(weight + i) : Nothing<LANES>();
    }

    i64 first = (i64)blockIdx.x * rowsPerBlock;
    i64 end = first + rowsPerBlock < rows ? first + rowsPerBlock : rows;
    for (i64 row = first; row < end; row += U)
    {
        Packed<LANES> packedX[U][N];
        Packed<LANES> packedGradient[U][N];
        Packed<LANES> packedAddend[U][N];
#pragma unroll
        for (int u = 0; u < U; u++)
        {
#pragma unroll
            for (int k = 0; k < N; k++)
            {
                int i = (k * blockDim.x + threadIdx.x) * LANES;
                bool isThere = i < width && row + u < end;
                i64 at = (row + u) * width + i;
                packedX[u][k] = isThere ? LoadPacked<LANES>(x + at) : Nothing<LANES>();
                packedGradient[u][k] = isThere ? LoadPacked<LANES>(gradY + at) : Nothing<LANES>();
                packedAddend[u][k] = isThere && addend != 0 ? LoadPacked<LANES>(addend + at) : Nothing<LANES>();
            }
        }

        float mean[U];
        if (CENTRED)
        {
            float sums[U] = {};
#pragma unroll
            for (int u = 0; u < U; u++)
            {
#pragma unroll
                for (int k = 0; k < N; k++)
                {
                    float value[LANES];
                    Unpack(packedX[u][k], value);
#pragma unroll
                    for (int j = 0; j < LANES; j++)
                    {
                        sums[u] += value[j];
                    }
                }
            }

            BlockSum(sums);
#pragma unroll
            for (int u = 0; u < U; u++)
            {
                mean[u] = __fdiv_rn(sums[u], (float)width);
            }
        }

        // Of each row: squares; products of the weighted gradient with x; weighted gradients.
        const int K = CENTRED ? 3 : 2;
        float sums[U * K] = {};
#pragma unroll
        for (int u = 0; u < U; u++)
        {
#pragma unroll
            for (int k = 0; k < N; k++)
            {
                if ((k * blockDim.x + threadIdx.x) * LANES < width)
                {
                    float value[LANES];
                    float gradient[LANES];
                    float w[LANES];
                    Unpack(packedX[u][k], value);
                    Unpack(packedGradient[u][k], gradient);
                    Unpack(packedWeight[k], w);
#pragma unroll
                    for (int j = 0; j < LANES; j++)
                    {
                        float difference = CENTRED ? value[j] - mean[u] : value[j];
                        float gradNormal = gradient[j] * w[j];
                        sums[u * K] += difference * difference;
                        sums[u * K + 1] += gradNormal * difference;
                        if (CENTRED)
                        {
                            sums[u * K + K - 1] += gradNormal;
                        }
                    }
                }
            }
        }

        BlockSum(sums);
#pragma unroll
        for (int u = 0; u < U; u++)
        {
            if (row + u < end)
            {
                float inverse = InverseRoot(sums[u * K], width, epsilon);
                float dotMean = __fdiv_rn(sums[u * K + 1] * inverse, (float)width);
                float gradientMean = CENTRED ? __fdiv_rn(sums[u * K + K - 1], (float)width) : 0.0f;
#pragma unroll
                for (int k = 0; k < N; k++)
                {
                    int i = (k * blockDim.x + threadIdx.x) * LANES;
                    if (i < width)
                    {
                        i64 at = (row + u) * width + i;
                        float value[LANES];
                        float gradient[LANES];
                        float w[LANES];
                        float added[LANES];
                        float result[LANES];
                        Unpack(packedX[u][k], value);
                        Unpack(packedGradient[u][k], gradient);
                        Unpack(packedWeight[k], w);
                        Unpack(packedAddend[u][k], added);
#pragma unroll
                        for (int j = 0; j < LANES; j++)
                        {
                            float normal = (CENTRED ? value[j] - mean[u] : value[j]) * inverse;
                            weightPart[k][j] += gradient[j] * normal;
                            if (CENTRED)
                            {
                                biasPart[CENTRED ? k : 0][j] += gradient[j];
                            }

                            result[j] = (gradient[j] * w[j] - normal * dotMean - gradientMean) * inverse + added[j];
                            value[j] = normal * w[j];
                        }

                        Store(gradX + at, result);
                        if (y != 0)
                        {
                            if (CENTRED && bias != 0)
                            {
                                float b[LANES];
                                Load(bias + i, b);
#pragma unroll
                                for (int j = 0; j < LANES; j++)
                                {
                                    value[j] += b[j];
                                }
                            }

                            Store(y + at, value);
                        }
                    }
                }
            }
        }
    }

#pragma unroll
    for (int k = 0; k < N; k++)
    {
        int i = (k * blockDim.x + threadIdx.x) * LANES;
        if (i < width)
        {
            StoreFloats(partials + (i64)blockIdx.x * width + i, weightPart[k]);
            if (CENTRED)
            {
                StoreFloats(partials + (i64)(gridDim.x + blockIdx.x) * width + i, biasPart[CENTRED ? k : 0]);
            }
        }
    }
}

#define NORM_BACKWARD(NAME, N, U, CENTRED, THREADS, BLOCKS) \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) NAME( \
        const Element* x, const Element* weight, const Element* bias, const Element* gradY, const Element* addend, Element* gradX, Element* y, \
        float* partials, i64 rows, int rowsPerBlock, int width, float epsilon) \
    { \
        NormBackward<N, U, CENTRED>(x, weight, bias, gradY, addend, gradX, y, partials, rows, rowsPerBlock, width, epsilon); \
    }

// Named by pieces of 16 bytes and rows that a thread has at once. Two blocks of a multiprocessor, one loading while the other computes, do more than a block of more rows.
NORM_BACKWARD(rms_norm_backward_1x4, 1, 4, false, 256, 2)
NORM_BACKWARD(rms_norm_backward_2x2, 2, 2, false, 256, 2)
NORM_BACKWARD(rms_norm_backward_2x1, 2, 1, false, 384, 2)
NORM_BACKWARD(rms_norm_backward_4x1, 4, 1, false, 512, 1)
NORM_BACKWARD(layer_norm_backward_1x4, 1, 4, true, 256, 2)
NORM_BACKWARD(layer_norm_backward_2x2, 2, 2, true, 256, 2)
NORM_BACKWARD(layer_norm_backward_2x1, 2, 1, true, 384, 1)
NORM_BACKWARD(layer_norm_backward_4x1, 4, 1, true, 512, 1)

// Any width and alignment; the partial sums are kept in memory, each column by its thread.
extern "C" __global__ void __launch_bounds__(256) norm_backward_any(
    const Element* x, const Element* weight, const Element* bias, const Element* gradY, const Element* addend, Element* gradX, Element* y,
    float* partials, i64 rows, int rowsPerBlock, int width, int centred, float epsilon)
{
    float* weightPart = partials + (i64)blockIdx.x * width;
    float* biasPart = partials + (i64)(gridDim.x + blockIdx.x) * width;
    for (int i = threadIdx.x; i < width; i += blockDim.x)
    {
        weightPart[i] = 0;
        if (centred)
        {
            biasPart[i] = 0;
        }
    }

    i64 first = (i64)blockIdx.x * rowsPerBlock;
    i64 end = first + rowsPerBlock < rows ? first + rowsPerBlock : rows;
    for (i64 row = first; row < end; row++)
    {
        i64 start = row * width;
        Statistics statistics = StatisticsAny(x + start, width, centred != 0, epsilon);
        float sums[2] = {0, 0};
        for (int i = threadIdx.x; i < width; i += blockDim.x)
        {
            float gradNormal = LoadOne(gradY + start + i) * LoadOne(weight + i);
            sums[0] += gradNormal * ((LoadOne(x + start + i) - statistics.mean) * statistics.inverse);
            sums[1] += gradNormal;
        }

        BlockSum(sums);
        float dotMean = __fdiv_rn(sums[0], (float)width);
        float gradientMean = centred ? __fdiv_rn(sums[1], (float)width) : 0.0f;
        for (int i = threadIdx.x; i < width; i += blockDim.x)
        {
            float normal = (LoadOne(x + start + i) - statistics.mean) * statistics.inverse;
            float gradient = LoadOne(gradY + start + i);
            float w = LoadOne(weight + i);
            float added = addend != 0 ? LoadOne(addend + start + i) : 0.0f;
            weightPart[i] += gradient * normal;
            if (centred)
            {
                biasPart[i] += gradient;
            }

            StoreOne(gradX + start + i, (gradient * w - normal * dotMean - gradientMean) * statistics.inverse + added);
            if (y != 0)
            {
                float value = normal * w;
                StoreOne(y + start + i, bias != 0 ? value + LoadOne(bias + i) : value);
            }
        }
    }
}
