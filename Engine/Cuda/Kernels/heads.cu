// Heads of packed projections: norms of each, rotation, copies. A packed row holds heads side by side, headSize elements each.

// Sum over a group of lanes: `group` neighbours, a power of two. All 32 lanes must call.
__device__ inline float GroupSum(float value, int group)
{
    for (int distance = group / 2; distance > 0; distance /= 2)
    {
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    }

    return value;
}

// 64-bit divisions take tens of instructions, which would show.
__device__ inline i64 RowOf(i64 item, int numHeads)
{
    return item >> 32 == 0 ? (i64)((u32)item / (u32)numHeads) : item / numHeads;
}

// headSize = group * LANES; 256 threads, 256 / group heads. numItems = rows * numHeads.
extern "C" __global__ void __launch_bounds__(256) head_norm_forward(
    Element* packed, i64 numItems, i64 rowStride, int firstHead, int numHeads, int headSize, int group, const Element* weight, float epsilon)
{
    int column = (threadIdx.x % group) * LANES;
    i64 item = (i64)blockIdx.x * (blockDim.x / group) + threadIdx.x / group;
    bool isThere = item < numItems;
    i64 row = isThere ? RowOf(item, numHeads) : 0;
    int head = firstHead + (isThere ? (int)(item - row * numHeads) : 0);
    Element* address = packed + row * rowStride + (i64)head * headSize + column;
    float value[LANES] = {};
    if (isThere)
    {
        Load(address, value);
    }

    float squares = 0;
#pragma unroll
    for (int j = 0; j < LANES; j++)
    {
        squares += value[j] * value[j];
    }

    float inverse = InverseRoot(GroupSum(squares, group), headSize, epsilon);
    if (isThere)
    {
        float w[LANES];
        Load(weight + column, w);
#pragma unroll
        for (int j = 0; j < LANES; j++)
        {
            value[j] = value[j] * inverse * w[j];
        }

        Store(address, value);
    }
}

// Any head size and alignment: a warp for a head.
extern "C" __global__ void __launch_bounds__(256) head_norm_forward_any(
    Element* packed, i64 numItems, i64 rowStride, int firstHead, int numHeads, int headSize, const Element* weight, float epsilon)
{
    int lane = threadIdx.x % 32;
    i64 item = (i64)blockIdx.x * 8 + threadIdx.x / 32;
    if (item >= numItems)
    {
        return;
    }

    i64 row = RowOf(item, numHeads);
    Element* head = packed + row * rowStride + (firstHead + (item - row * numHeads)) * headSize;
    float squares = 0;
    for (int i = lane; i < headSize; i += 32)
    {
        float value = LoadOne(head + i);
        squares += value * value;
    }

    float inverse = InverseRoot(WarpSum(squares), headSize, epsilon);
    for (int i = lane; i < headSize; i += 32)
    {
        StoreOne(head + i, LoadOne(head + i) * inverse * LoadOne(weight + i));
    }
}

// As head_norm_forward; block b takes the items from b * itemsPerBlock on. Four heads a group at once, for loads in flight.
extern "C" __global__ void __launch_bounds__(256) head_norm_backward(
    const Element* raw, i64 rawStride, Element* gradient, i64 gradientStride, i64 numItems, int itemsPerBlock, int firstHead, int numHeads, int headSize,
    int group, const Element* weight, float* partials, float epsilon)
{
    const int U = 4;
    __shared__ float groups[256][LANES];
    int numGroups = blockDim.x / group;
    int column = (threadIdx.x % group) * LANES;
    float weightPart[LANES] = {};
    float w[LANES];
    Load(weight + column, w);
    i64 first = (i64)blockIdx.x * itemsPerBlock;
    i64 end = first + itemsPerBlock < numItems ? first + itemsPerBlock : numItems;

    // The same number of turns for all threads: the sums need whole warps.
    for (i64 base = first; base < end; base += numGroups * U)
    {
        Packed<LANES> packedX[U];
        Packed<LANES> packedGradient[U];
        i64 destinations[U];
#pragma unroll
        for (int u = 0; u < U; u++)
        {
            i64 item = base + u * numGroups + threadIdx.x / group;
            destinations[u] = -1;
            packedX[u] = Nothing<LANES>();
            packedGradient[u] = Nothing<LANES>();
            if (item < end)
            {
                i64 row = RowOf(item, numHeads);
                i64 inRow = (firstHead + (item - row * numHeads)) * headSize + column;
                destinations[u] = row * gradientStride + inRow;
                packedX[u] = LoadPacked<LANES>(raw + row * rawStride + inRow);
                packedGradient[u] = LoadPacked<LANES>(gradient + destinations[u]);
            }
        }

#pragma unroll
        for (int u = 0; u < U; u++)
        {
            float value[LANES];
            float grad[LANES];
            Unpack(packedX[u], value);
            Unpack(packedGradient[u], grad);
            float squares = 0;
            float dot = 0;
#pragma unroll
            for (int j = 0; j < LANES; j++)
            {
                squares += value[j] * value[j];
                dot += grad[j] * w[j] * value[j];
            }

            float inverse = InverseRoot(GroupSum(squares, group), headSize, epsilon);
            float dotMean = __fdiv_rn(GroupSum(dot, group) * inverse, (float)headSize);
            if (destinations[u] >= 0)
            {
#pragma unroll
                for (int j = 0; j < LANES; j++)
                {
                    float normal = value[j] * inverse;
                    weightPart[j] += grad[j] * normal;
                    grad[j] = (grad[j] * w[j] - normal * dotMean) * inverse;
                }

                Store(gradient + destinations[u], grad);
            }
        }
    }

#pragma unroll
    for (int j = 0; j < LANES; j++)
    {
        groups[threadIdx.x][j] = weightPart[j];
    }

    __syncthreads();
    for (int i = threadIdx.x; i < headSize; i += blockDim.x)
    {
        float total = 0;
        for (int g = 0; g < numGroups; g++)
        {
            total += groups[g * group + i / LANES][i % LANES];
        }

        partials[(i64)blockIdx.x * headSize + i] = total;
    }
}

// Any head size and alignment: one warp a block, whose partial sums are kept in memory, each column by its lane.
extern "C" __global__ void __launch_bounds__(32) head_norm_backward_any(
    const Element* raw, i64 rawStride, Element* gradient, i64 gradientStride, i64 numItems, int itemsPerBlock, int firstHead, int numHeads, int headSize,
    const Element* weight, float* partials, float epsilon)
{
    float* weightPart = partials + (i64)blockIdx.x * headSize;
    for (int i = threadIdx.x; i < headSize; i += 32)
    {
        weightPart[i] = 0;
    }

    i64 first = (i64)blockIdx.x * itemsPerBlock;
    i64 end = first + itemsPerBlock < numItems ? first + itemsPerBlock : numItems;
    for (i64 item = first; item < end; item++)
    {
        i64 row = RowOf(item, numHeads);
        i64 inRow = (firstHead + (item - row * numHeads)) * headSize;
        const Element* x = raw + row * rawStride + inRow;
        Element* grad = gradient + row * gradientStride + inRow;
        float squares = 0;
        float dot = 0;
        for (int i = threadIdx.x; i < headSize; i += 32)
        {
            float value = LoadOne(x + i);
            squares += value * value;
            dot += LoadOne(grad + i) * LoadOne(weight + i) * value;
        }

        float inverse = InverseRoot(WarpSum(squares), headSize, epsilon);
        float dotMean = __fdiv_rn(WarpSum(dot) * inverse, (float)headSize);
        for (int i = threadIdx.x; i < headSize; i += 32)
        {
            float normal = LoadOne(x + i) * inverse;
            float g = LoadOne(grad + i);
            weightPart[i] += g * normal;
            StoreOne(grad + i, (g * LoadOne(weight + i) - normal * dotMean) * inverse);
        }
    }
}

// A block for a row.
template <int V> __device__ inline void CopyColumns(const Element* source, i64 sourceStride, Element* destination, i64 destinationStride, i64 columns)
{
    source += blockIdx.x * sourceStride;
    destination += blockIdx.x * destinationStride;
    for (i64 i = (i64)threadIdx.x * V; i < columns; i += blockDim.x * V)
    {
        StorePacked(destination + i, LoadPacked<V>(source + i));
    }
}

extern "C" __global__ void __launch_bounds__(256) copy_columns(
    const Element* source, i64 sourceStride, Element* destination, i64 destinationStride, i64 columns)
{
    CopyColumns<LANES>(source, sourceStride, destination, destinationStride, columns);
}

extern "C" __global__ void __launch_bounds__(256) copy_columns_any(
    const Element* source, i64 sourceStride, Element* destination, i64 destinationStride, i64 columns)
{
    CopyColumns<1>(source, sourceStride, destination, destinationStride, columns);
}

// (a, b) -> (a cos - b sin, b cos + a sin). sign -1 rotates back.
template <int V> __device__ inline void RotatePair(float (&a)[V], float (&b)[V], const float (&cosine)[V], const float (&sine)[V], float sign)
{
#pragma unroll
    for (int j = 0; j < V; j++)
    {
        float s = sine[j] * sign;
        float first = a[j] * cosine[j] - b[j] * s;
        b[j] = b[j] * cosine[j] + a[j] * s;
        a[j] = first;
    }
}

// A block for a row; a thread takes V pairs of four neighbouring heads, which share their angles.
template <int V> __device__ inline void Rotate(
    Element* packed, i64 rowStride, int tokens, int numHeads, int headSize, const float* cosines, const float* sines, float sign)
{
    const int U = 4;
    int half = headSize / 2;
    int pairs = half / V;
    i64 angles = (i64)(blockIdx.x % tokens) * half;
    Element* row = packed + blockIdx.x * rowStride;
    int numItems = (numHeads + U - 1) / U * pairs;
    for (int item = threadIdx.x; item < numItems; item += blockDim.x)
    {
        int head = item / pairs * U;
        int i = item % pairs * V;
        float cosine[V];
        float sine[V];
        LoadFloats(cosines + angles + i, cosine);
        LoadFloats(sines + angles + i, sine);
        Packed<V> packedA[U];
        Packed<V> packedB[U];
#pragma unroll
        for (int u = 0; u < U; u++)
        {
            if (head + u < numHeads)
            {
                Element* address = row + (i64)(head + u) * headSize + i;
                packedA[u] = LoadPacked<V>(address);
                packedB[u] = LoadPacked<V>(address + half);
            }
        }

#pragma unroll
        for (int u = 0; u < U; u++)
        {
            if (head + u < numHeads)
            {
                Element* address = row + (i64)(head + u) * headSize + i;
                float a[V];
                float b[V];
                Unpack(packedA[u], a);
                Unpack(packedB[u], b);
                RotatePair(a, b, cosine, sine, sign);
                Store(address, a);
                Store(address + half, b);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) rotate(
    Element* packed, i64 rowStride, int tokens, int numHeads, int headSize, const float* cosines, const float* sines, float sign)
{
    Rotate<LANES>(packed, rowStride, tokens, numHeads, headSize, cosines, sines, sign);
}

extern "C" __global__ void __launch_bounds__(256) rotate_any(
    Element* packed, i64 rowStride, int tokens, int numHeads, int headSize, const float* cosines, const float* sines, float sign)
{
    Rotate<1>(packed, rowStride, tokens, numHeads, headSize, cosines, sines, sign);
}

// Gradients of queries, keys and values, each [rows, its heads * headSize], side by side into rows of packed; queries and keys are rotated back on the way.
template <int V> __device__ inline void PackRotated(
    const Element* gradQ, const Element* gradK, const Element* gradV, Element* packed, int tokens, int numHeads, int numKvHeads, int headSize,
    const float* cosines, const float* sines)
{
    const int U = 4;
    int half = headSize / 2;
    int pairs = half / V;
    int numAll = numHeads + 2 * numKvHeads;
    i64 angles = (i64)(blockIdx.x % tokens) * half;
    const Element* rowQ = gradQ + (i64)blockIdx.x * numHeads * headSize;
    const Element* rowK = gradK + (i64)blockIdx.x * numKvHeads * headSize;
    const Element* rowV = gradV + (i64)blockIdx.x * numKvHeads * headSize;
    Element* row = packed + (i64)blockIdx.x * numAll * headSize;
    int numItems = (numAll + U - 1) / U * pairs;
    for (int item = threadIdx.x; item < numItems; item += blockDim.x)
    {
        int first = item / pairs * U;
        int i = item % pairs * V;
        float cosine[V];
        float sine[V];
        LoadFloats(cosines + angles + i, cosine);
        LoadFloats(sines + angles + i, sine);
        Packed<V> packedA[U];
        Packed<V> packedB[U];
#pragma unroll
        for (int u = 0; u < U; u++)
        {
            int head = first + u;
            if (head < numAll)
            {
                const Element* source = head < numHeads ? rowQ + (i64)head * headSize
                    : head < numHeads + numKvHeads ? rowK + (i64)(head - numHeads) * headSize
                    : rowV + (i64)(head - numHeads - numKvHeads) * headSize;
                packedA[u] = LoadPacked<V>(source + i);
                packedB[u] = LoadPacked<V>(source + half + i);
            }
        }

#pragma unroll
        for (int u = 0; u < U; u++)
        {
            int head = first + u;
            if (head < numAll)
            {
                Element* address = row + (i64)head * headSize + i;
                if (head < numHeads + numKvHeads)
                {
                    float a[V];
                    float b[V];
                    Unpack(packedA[u], a);
                    Unpack(packedB[u], b);
                    RotatePair(a, b, cosine, sine, -1.0f);
                    packedA[u] = Pack(a);
                    packedB[u] = Pack(b);
                }

                StorePacked(address, packedA[u]);
                StorePacked(address + half, packedB[u]);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) pack_rotated(
    const Element* gradQ, const Element* gradK, const Element* gradV, Element* packed, int tokens, int numHeads, int numKvHeads, int headSize,
    const float* cosines, const float* sines)
{
    PackRotated<LANES>(gradQ, gradK, gradV, packed, tokens, numHeads, numKvHeads, headSize, cosines, sines);
}

extern "C" __global__ void __launch_bounds__(256) pack_rotated_any(
    const Element* gradQ, const Element* gradK, const Element* gradV, Element* packed, int tokens, int numHeads, int numKvHeads, int headSize,
    const float* cosines, const float* sines)
{
    PackRotated<1>(gradQ, gradK, gradV, packed, tokens, numHeads, numKvHeads, headSize, cosines, sines);
}
