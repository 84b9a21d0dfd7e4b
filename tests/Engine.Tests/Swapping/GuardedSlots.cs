using Offload.Storage.Memory;

namespace Offload.Engine.Tests.Swapping;

/// <summary>Slots by name, full of NaN until they are written, each with a guard behind it. Owns them.</summary>
internal sealed unsafe class GuardedSlots : IDisposable
{
    private const int GuardBytes = 64;

    private readonly Dictionary<string, NativeBuffer> _slots = [];

    /// <summary>The slot of a name, made when first asked for; null for a size of zero.</summary>
    public byte* Get(string name, long sizeBytes)
    {
        if (sizeBytes == 0)
        {
            return null;
        }

        if (!_slots.TryGetValue(name, out NativeBuffer? slot))
        {
            slot = new NativeBuffer(sizeBytes + GuardBytes);
            _slots.Add(name, slot);
            Fill();
        }

        Assert.Equal(sizeBytes + GuardBytes, slot.SizeBytes);
        return (byte*)slot.Address;

        void Fill() => slot.AsSpan<byte>(0, (int)slot.SizeBytes).Fill(0xff);
    }

    /// <summary>Nothing was written behind any slot.</summary>
    public void AssertGuardsAreWhole()
    {
        foreach ((string name, NativeBuffer slot) in _slots)
        {
            Assert.False(slot.AsSpan<byte>(slot.SizeBytes - GuardBytes, GuardBytes).ContainsAnyExcept((byte)0xff), $"written behind {name}");
        }
    }

    public void Dispose()
    {
        foreach (NativeBuffer slot in _slots.Values)
        {
            slot.Dispose();
        }
    }
}
