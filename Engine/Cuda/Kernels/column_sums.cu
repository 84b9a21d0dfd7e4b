// Sums of columns, in two steps: partial sums of fixed ranges of rows, then their sum in a fixed order.

// 512 threads: 32 columns by 16 groups; group g adds the partials g, g + 16, ...; then the groups are added in order.
extern "C" __global__ void __launch_bounds__(512) add_partials(const float* partials, int numPartials, int width, float* sums)
{
    __shared__ float groups[16][33];
    int lane = threadIdx.x % 32;
    int group = threadIdx.x / 32;
    int column = blockIdx.x * 32 + lane;
    float sum = 0;
    if (column < width)
    {
#pragma unroll 8
        for (int partial = group; partial < numPartials; partial += 16)
        {
            sum += partials[(i64)partial * width + column];
        }
    }

    groups[group][lane] = sum;
    __syncthreads();
    if (group == 0 && column < width)
    {
        float total = 0;
#pragma unroll
        for (int i = 0; i < 16; i++)
        {
            total += groups[i][lane];
        }

        sums[column] += total;
    }
}

// 256 threads: a warp takes 32 V columns of every eighth row of the block's rows; gridDim.x column ranges by gridDim.y partials.
template <int V> __device__ inline void ColumnSums(const Element* matrix, float* partials, i64 rows, int rowsPerBlock, int width)
{
    __shared__ float warps[8][32 * V];
    int lane = threadIdx.x % 32;
    int warp = threadIdx.x / 32;
    int column = (blockIdx.x * 32 + lane) * V;
    i64 first = (i64)blockIdx.y * rowsPerBlock;
    i64 end = first + rowsPerBlock < rows ? first + rowsPerBlock : rows;
    float sum[V] = {};
    if (column < width)
    {
#pragma unroll 8
        for (i64 row = first + warp; row < end; row += 8)
        {
            float value[V];
            Load(matrix + row * width + column, value);
#pragma unroll
            for (int j = 0; j < V; j++)
            {
                sum[j] += value[j];
            }
        }
    }

#pragma unroll
    for (int j = 0; j < V; j++)
    {
        // Column j of every lane side by side: no two lanes on one bank.
        warps[warp][j * 32 + lane] = sum[j];
    }

    __syncthreads();
    for (int slot = threadIdx.x; slot < 32 * V; slot += 256)
    {
        int sumColumn = (blockIdx.x * 32 + slot % 32) * V + slot / 32;
        if (sumColumn < width)
        {
            float total = 0;
#pragma unroll
            for (int i = 0; i < 8; i++)
            {
                total += warps[i][slot];
            }

            partials[(i64)blockIdx.y * width + sumColumn] = total;
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) column_sums(const Element* matrix, float* partials, i64 rows, int rowsPerBlock, int width)
{
    ColumnSums<LANES>(matrix, partials, rows, rowsPerBlock, width);
}

extern "C" __global__ void __launch_bounds__(256) column_sums_any(const Element* matrix, float* partials, i64 rows, int rowsPerBlock, int width)
{
    ColumnSums<1>(matrix, partials, rows, rowsPerBlock, width);
}
