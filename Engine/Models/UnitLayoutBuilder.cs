namespace Offload.Engine.Models;

/// <summary>Packs tensors of one unit one after the other.</summary>
internal sealed class UnitLayoutBuilder(string namePrefix = "")
{
    private readonly List<ParameterInfo> _parameters = [];
    private long _offset;

    public IReadOnlyList<ParameterInfo> Parameters => _parameters;

    public TensorSlot Add(string name, params long[] shape)
    {
        var slot = new TensorSlot(_offset, shape);
        var parameter = new ParameterInfo(namePrefix + name, shape, _offset, IsMatrix: shape.Length == 2);
        _parameters.Add(parameter);
        _offset += parameter.Count;
        return slot;
    }

    public TensorSlot? AddIf(bool present, string name, params long[] shape) => present ? Add(name, shape) : null;

    /// <summary>A matrix that computes [in] -> sum of <paramref name="outSizes"/>, of one Hub tensor or one for each out size.</summary>
    public TensorSlot AddMatrix(IReadOnlyList<string> names, long inSize, ReadOnlySpan<long> outSizes, bool inputMajor)
    {
        long start = _offset;
        long outSize = Sum(outSizes);
        if (names.Count == 1)
        {
            return inputMajor ? Add(names[0] + ".weight", inSize, outSize) : Add(names[0] + ".weight", outSize, inSize);
        }

        if (inputMajor)
        {
            throw new NotSupportedException("matrices of [in, out] layout do not fuse by packing");
        }

        for (int i = 0; i < names.Count; i++)
        {
            Add(names[i] + ".weight", outSizes[i], inSize);
        }

        return new TensorSlot(start, outSize, inSize);
    }

    public TensorSlot? AddBiasIf(bool present, IReadOnlyList<string> names, ReadOnlySpan<long> outSizes)
    {
        if (!present)
        {
            return null;
        }

        long start = _offset;
        for (int i = 0; i < names.Count; i++)
        {
            Add(names[i] + ".bias", names.Count == 1 ? Sum(outSizes) : outSizes[i]);
        }

        return new TensorSlot(start, Sum(outSizes));
    }

    private static long Sum(ReadOnlySpan<long> sizes)
    {
        long sum = 0;
        foreach (long size in sizes)
        {
            sum += size;
        }

        return sum;
    }
}
