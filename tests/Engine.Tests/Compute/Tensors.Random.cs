using static TorchSharp.torch;

namespace Offload.Engine.Tests.Compute;

/// <summary>Random tensors.</summary>
internal static partial class Tensors
{
    /// <summary>Normal values around a mean.</summary>
    public static Tensor Normal(Random random, ScalarType type, double scale, double mean, params long[] shape)
    {
        var values = new float[shape.Aggregate(1L, (product, size) => product * size)];
        for (int i = 0; i < values.Length; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = (float)(mean + (scale * radius * Math.Cos(2 * Math.PI * random.NextDouble())));
        }

        using Tensor flat = tensor(values, ScalarType.Float32);
        using Tensor shaped = flat.reshape(shape);
        return shaped.to(type, copy: true);
    }

    public static Tensor Normal(Random random, ScalarType type, params long[] shape) => Normal(random, type, scale: 1, mean: 0, shape);

    /// <summary>Elements as fp32.</summary>
    public static float[] Values(Tensor tensor)
    {
        using Tensor values = tensor.detach().to(ScalarType.Float32).contiguous();
        return values.data<float>().ToArray();
    }
}
