namespace Offload.Engine.Tests.Swapping;

/// <summary>The largest errors of each operation, relative to the largest magnitude (max) and to the root mean square (rms) of what was expected.</summary>
internal sealed class UnitErrors
{
    private readonly SortedDictionary<string, (double Max, double Rms)> _errors = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _otherBits = new(StringComparer.Ordinal);

    /// <summary>Operation by operation.</summary>
    public IReadOnlyDictionary<string, (double Max, double Rms)> ByOperation => _errors;

    /// <summary>Operations whose bits had to be equal and were not.</summary>
    public IReadOnlyCollection<string> OtherBits => _otherBits;

    /// <summary>The largest of all.</summary>
    public (double Max, double Rms) Largest => (_errors.Values.Select(error => error.Max).DefaultIfEmpty().Max(), _errors.Values.Select(error => error.Rms).DefaultIfEmpty().Max());

    /// <summary>Counts one tensor; a value that is not finite on one side alone is an infinite error.</summary>
    public void Add(string operation, ReadOnlySpan<float> expected, ReadOnlySpan<float> found)
    {
        double largest = 0, sumOfSquares = 0, largestError = 0, errorSquares = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double error = Math.Abs((double)found[i] - expected[i]);
            error = double.IsNaN(error) ? double.PositiveInfinity : error;
            largest = Math.Max(largest, Math.Abs(expected[i]));
            sumOfSquares += (double)expected[i] * expected[i];
            largestError = Math.Max(largestError, error);
            errorSquares += error * error;
        }

        if (expected.Length > 0)
        {
            Add(operation, Ratio(largestError, largest), Ratio(Math.Sqrt(errorSquares), Math.Sqrt(sumOfSquares)));
        }
    }

    /// <summary>Counts a number.</summary>
    public void Add(string operation, double expected, double found)
    {
        double error = Math.Abs(found - expected) / Math.Max(Math.Abs(expected), double.Epsilon);
        error = expected == found ? 0 : double.IsNaN(error) ? double.PositiveInfinity : error;
        Add(operation, error, error);
    }

    /// <summary>Counts memory whose bits have to be equal.</summary>
    public void AddBits(string operation, ReadOnlySpan<byte> expected, ReadOnlySpan<byte> found)
    {
        if (!expected.SequenceEqual(found))
        {
            _otherBits.Add(operation);
        }
    }

    private static double Ratio(double error, double magnitude) => error == 0 ? 0 : magnitude == 0 ? double.PositiveInfinity : error / magnitude;

    private void Add(string operation, double max, double rms)
    {
        (double Max, double Rms) before = _errors.GetValueOrDefault(operation);
        _errors[operation] = (Math.Max(before.Max, max), Math.Max(before.Rms, rms));
    }
}
