namespace Offload.Storage.Numerics;

internal static class SpanLengths
{
    public static void RequireEqual(int first, int other)
    {
        if (first != other)
        {
            throw new ArgumentException($"spans of one length are needed, found {first} and {other} elements");
        }
    }
}
