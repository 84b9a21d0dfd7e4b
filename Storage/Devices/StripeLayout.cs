namespace Offload.Storage.Devices;

/// <summary>
/// Which byte of a striped device lies where. In each round every member holds one stripe, as wide as its width, in the order of the members;
/// a member holds its stripes of successive rounds one after the other.
/// </summary>
internal sealed class StripeLayout
{
    private readonly int[] _widths;
    private readonly long[] _starts; // Of each member's stripe within a round.
    private readonly long _roundBytes;

    /// <param name="widths">Bytes of each member in a round; positive.</param>
    /// <param name="memberBytes">Size of each member.</param>
    internal StripeLayout(IReadOnlyList<int> widths, IReadOnlyList<long> memberBytes)
    {
        _widths = [.. widths];
        _starts = new long[_widths.Length];
        long numRounds = long.MaxValue;
        for (int member = 0; member < _widths.Length; member++)
        {
            _starts[member] = _roundBytes;
            _roundBytes += _widths[member];
            numRounds = Math.Min(numRounds, memberBytes[member] / _widths[member]);
        }

        SizeBytes = numRounds * _roundBytes;
    }

    /// <summary>As many whole rounds as every member has room for.</summary>
    internal long SizeBytes { get; }

    /// <summary>Finds a byte.</summary>
    /// <param name="offsetBytes">On the striped device; within its size.</param>
    /// <param name="member">Who holds it.</param>
    /// <param name="memberOffsetBytes">Where there.</param>
    /// <returns>Bytes from there to the end of the stripe.</returns>
    internal long Locate(long offsetBytes, out int member, out long memberOffsetBytes)
    {
        long round = offsetBytes / _roundBytes;
        long inRound = offsetBytes - (round * _roundBytes);
        member = _starts.Length - 1; // A few members: a search from the end beats anything clever.
        while (_starts[member] > inRound)
        {
            member--;
        }

        long inStripe = inRound - _starts[member];
        memberOffsetBytes = (round * _widths[member]) + inStripe;
        return _widths[member] - inStripe;
    }
}
