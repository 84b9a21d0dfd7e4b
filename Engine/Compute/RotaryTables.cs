using Offload.Engine.Models;

namespace Offload.Engine.Compute;

/// <summary>
/// Cosines and sines of rotary positions, fp32 [positions, head size / 2], computed as the Hub's models compute them (frequencies
/// and angles in binary32), because that is what their weights were trained with.
/// </summary>
internal sealed class RotaryTables
{
    /// <param name="rope">The model's frequencies.</param>
    /// <param name="headSize">Width of a head; even.</param>
    /// <param name="numPositions">Number of rows.</param>
    public RotaryTables(RopeConfig rope, int headSize, int numPositions)
    {
        NumPositions = numPositions;
        int half = headSize / 2;
        Cosines = new float[numPositions * half];
        Sines = new float[numPositions * half];
        float[] frequencies = Frequencies(rope, headSize);
        for (int position = 0; position < numPositions; position++)
        {
            for (int i = 0; i < half; i++)
            {
                (double sine, double cosine) = Math.SinCos(position * frequencies[i]);
                Cosines[(position * half) + i] = (float)cosine;
                Sines[(position * half) + i] = (float)sine;
            }
        }
    }

    /// <summary>Number of positions; a sequence has at most as many tokens.</summary>
    public int NumPositions { get; }

    /// <summary>[positions, head size / 2], row-major.</summary>
    public float[] Cosines { get; }

    /// <summary>[positions, head size / 2], row-major.</summary>
    public float[] Sines { get; }

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
