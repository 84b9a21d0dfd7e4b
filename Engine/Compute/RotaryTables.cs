using Offload.Engine.Models;

namespace Offload.Engine.Compute;

/// <summary>
/// Cosines and sines of rotary positions, fp32 [positions, head size / 2], computed as the Hub's models compute them (frequencies
/// and angles in binary32), because that is what their weights were trained with. Grows with the longest sequence seen; one thread at a time.
/// </summary>
internal sealed class RotaryTables
{
    private readonly float[] _frequencies;

    /// <param name="rope">The model's frequencies.</param>
    /// <param name="headSize">Width of a head; even.</param>
    /// <param name="numPositions">Number of rows to begin with.</param>
    public RotaryTables(RopeConfig rope, int headSize, int numPositions)
    {
        _frequencies = Frequencies(rope, headSize);
        Require(numPositions);
    }

    /// <summary>Number of positions; a sequence has at most as many tokens.</summary>
    public int NumPositions { get; private set; }

    /// <summary>[positions, head size / 2], row-major.</summary>
    public float[] Cosines { get; private set; } = [];

    /// <summary>[positions, head size / 2], row-major.</summary>
    public float[] Sines { get; private set; } = [];

    /// <summary>Sees to it that there are at least as many positions.</summary>
    public void Require(int numPositions)
    {
        if (numPositions <= NumPositions)
        {
            return;
        }

        // A text that grows token by token does not cost a table for each.
        int grown = Math.Max(numPositions, (int)Math.Min(2L * NumPositions, int.MaxValue));
        int half = _frequencies.Length;
        Cosines = new float[checked(grown * half)];
        Sines = new float[grown * half];
        for (int position = 0; position < grown; position++)
        {
            for (int i = 0; i < half; i++)
            {
                (double sine, double cosine) = Math.SinCos(position * _frequencies[i]);
                Cosines[(position * half) + i] = (float)cosine;
                Sines[(position * half) + i] = (float)sine;
            }
        }

        NumPositions = grown;
    }

    private static float[] Frequencies(RopeConfig rope, int headSize)
    {
        var frequencies = new float[headSize / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            float exponent = 2 * i / (float)headSize;
            float frequency = 1 / (float)Math.Pow(rope.Theta, exponent);
            frequencies[i] = rope.Kind switch
            {
                RopeKind.Default => frequency,
                RopeKind.Linear => frequency / (float)rope.Factor,
                RopeKind.Llama3 => Llama3(frequency, rope),
                _ => throw new ArgumentOutOfRangeException(nameof(rope), rope.Kind, "no formula for this kind of frequencies"),
            };
        }

        return frequencies;
    }

    /// <summary>Llama 3.1's stretch: wavelengths above original/low are divided, below original/high kept, interpolated between.</summary>
    private static float Llama3(float frequency, RopeConfig rope)
    {
        double wavelength = 2 * Math.PI / frequency;
        if (wavelength > rope.OriginalMaxPositions / rope.LowFrequencyFactor)
        {
            return (float)(frequency / rope.Factor);
        }

        if (wavelength < rope.OriginalMaxPositions / rope.HighFrequencyFactor)
        {
            return frequency;
        }

        double smooth = ((rope.OriginalMaxPositions / wavelength) - rope.LowFrequencyFactor) / (rope.HighFrequencyFactor - rope.LowFrequencyFactor);
        return (float)(((1 - smooth) * frequency / rope.Factor) + (smooth * frequency));
    }
}
