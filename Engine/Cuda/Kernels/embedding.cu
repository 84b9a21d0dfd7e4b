// Token and position embeddings. Ids and index lists may lie in pinned host memory: a warp reads them once, neighbours together.

// A block for a row.
template <int V> __device__ inline void EmbeddingForward(
    const int* ids, const Element* table, const Element* positions, Element* output, int tokens, int width)
{
    i64 row = blockIdx.x;
    int id = 0;
    if (threadIdx.x % 32 == 0)
    {
        id = ids[row];
    }

    id = __shfl_sync(ALL_LANES, id, 0);
    const Element* source = table + (i64)id * width;
    const Element* position = positions == 0 ? 0 : positions + (i64)(blockIdx.x % tokens) * width;
    for (int i = threadIdx.x * V; i < width; i += blockDim.x * V)
    {
        Packed<V> packed = LoadPacked<V>(source + i);
        if (position != 0)
        {
            float value[V];
            float added[V];
            Unpack(packed, value);
            Load(position + i, added);
#pragma unroll
            for (int j = 0; j < V; j++)
            {
                value[j] += added[j];
            }

            packed = Pack(value);
        }

        StorePacked(output + row * width + i, packed);
    }
}

extern "C" __global__ void __launch_bounds__(256) embedding_forward(
    const int* ids, const Element* table, const Element* positions, Element* output, int tokens, int width)
{
    EmbeddingForward<LANES>(ids, table, positions, output, tokens, width);
}

extern "C" __global__ void __launch_bounds__(256) embedding_forward_any(
    const int* ids, const Element* table, const Element* positions, Element* output, int tokens, int width)
{
    EmbeddingForward<1>(ids, table, positions, output, tokens, width);
}

// Adds up to 32 rows: lane j holds the index of row j. All lanes call.
template <int V> __device__ inline void AddRows(float (&sum)[V], const Element* gradient, int rowOfLane, int count, int column, int width)
{
    int j = 0;
    for (; j + 8 <= count; j += 8)
    {
        Packed<V> packed[8];
#pragma unroll
        for (int u = 0; u < 8; u++)
        {
            i64 row = __shfl_sync(ALL_LANES, rowOfLane, j + u);
            packed[u] = column < width ? LoadPacked<V>(gradient + row * width + column) : Nothing<V>();
        }

#pragma unroll
        for (int u = 0; u < 8; u++)
        {
            float value[V];
            Unpack(packed[u], value);
#pragma unroll
            for (int k = 0; k < V; k++)
            {
                sum[k] += value[k];
            }
        }
    }

    for (; j < count; j++)
    {
        i64 row = __shfl_sync(ALL_LANES, rowOfLane, j);
        if (column < width)
        {
            float value[V];
            Load(gradient + row * width + column, value);
#pragma unroll
            for (int k = 0; k < V; k++)
            {
                sum[k] += value[k];
            }
        }
    }
}

// A warp takes 32 V columns (gridDim.y ranges) of one of the block's eight ids. An id of more than 32 rows is left to the whole block afterwards: its rows go to the
// warps in turns of 32, and the warps' sums are added in order. Which way an id goes, and so the order of its sum, depends on its count alone.
template <int V> __device__ inline void EmbeddingBackward(
    const int* distinctIds, const int* starts, const int* order, int numDistinct, const Element* gradient, float* tableSum, int width, int paddingId)
{
    __shared__ float warps[8][32 * V];
    __shared__ int ids[8];
    __shared__ int bounds[9];
    int lane = threadIdx.x % 32;
    int warp = threadIdx.x / 32;
    int first = blockIdx.x * 8;
    int numIds = numDistinct - first < 8 ? numDistinct - first : 8;
    if (threadIdx.x < numIds)
    {
        ids[threadIdx.x] = distinctIds[first + threadIdx.x];
    }

    if (threadIdx.x <= numIds)
    {
        bounds[threadIdx.x] = starts[first + threadIdx.x];
    }

    __syncthreads();
    int column = (blockIdx.y * 32 + lane) * V;
    if (warp < numIds && ids[warp] != paddingId && bounds[warp + 1] - bounds[warp] <= 32)
    {
        int count = bounds[warp + 1] - bounds[warp];
        int row = lane < count ? order[bounds[warp] + lane] : 0;
        float* destination = tableSum + (i64)ids[warp] * width + column;
        float sum[V] = {};
        if (column < width)
        {
            LoadFloats(destination, sum);
        }

        AddRows(sum, gradient, row, count, column, width);
        if (column < width)
        {
            StoreFloats(destination, sum);
        }
    }

    for (int i = 0; i < numIds; i++)
    {
        int count = bounds[i + 1] - bounds[i];
        if (count > 32 && ids[i] != paddingId)
        {
            float sum[V] = {};
            for (int start = warp * 32; start < count; start += 8 * 32)
            {
                int here = count - start < 32 ? count - start : 32;
                int row = lane < here ? order[bounds[i] + start + lane] : 0;
                AddRows(sum, gradient, row, here, column, width);
            }

            // The sums of the id before are still being read.
            __syncthreads();
#pragma unroll
            for (int k = 0; k < V; k++)
            {
                warps[warp][k * 32 + lane] = sum[k];
            }

            __syncthreads();
            for (int slot = threadIdx.x; slot < 32 * V; slot += 256)
            {
                int sumColumn = (blockIdx.y * 32 + slot % 32) * V + slot / 32;
                if (sumColumn < width)
                {
                    float* destination = tableSum + (i64)ids[i] * width + sumColumn;
                    float total = *destination;
#pragma unroll
                    for (int k = 0; k < 8; k++)
                    {
                        total += warps[k][slot];
                    }

                    *destination = total;
                }
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) embedding_backward(
    const int* distinctIds, const int* starts, const int* order, int numDistinct, const Element* gradient, float* tableSum, int width, int paddingId)
{
    EmbeddingBackward<LANES>(distinctIds, starts, order, numDistinct, gradient, tableSum, width, paddingId);
}

extern "C" __global__ void __launch_bounds__(256) embedding_backward_any(
    const int* distinctIds, const int* starts, const int* order, int numDistinct, const Element* gradient, float* tableSum, int width, int paddingId)
{
    EmbeddingBackward<1>(distinctIds, starts, order, numDistinct, gradient, tableSum, width, paddingId);
}

// count = tokens * width; sum of the sequences first, then added.
template <int V> __device__ inline void PositionBackward(const Element* gradient, float* positionSum, int sequences, i64 count)
{
    i64 at = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * V;
    if (at >= count)
    {
        return;
    }

    float sum[V] = {};
#pragma unroll 4
    for (int sequence = 0; sequence < sequences; sequence++)
    {
        float value[V];
        Load(gradient + sequence * count + at, value);
#pragma unroll
        for (int j = 0; j < V; j++)
        {
            sum[j] += value[j];
        }
    }

    float total[V];
    LoadFloats(positionSum + at, total);
#pragma unroll
    for (int j = 0; j < V; j++)
    {
        total[j] += sum[j];
    }

    StoreFloats(positionSum + at, total);
}

extern "C" __global__ void __launch_bounds__(256) position_backward(const Element* gradient, float* positionSum, int sequences, i64 count)
{
    PositionBackward<LANES>(gradient, positionSum, sequences, count);
}

extern "C" __global__ void __launch_bounds__(256) position_backward_any(const Element* gradient, float* positionSum, int sequences, i64 count)
{
    PositionBackward<1>(gradient, positionSum, sequences, count);
}
