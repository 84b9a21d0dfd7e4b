using Offload.Storage.Devices;

namespace Offload.Storage.States;

/// <summary>Transfers of the store's own small things, one request after the other; blocks.</summary>
internal static unsafe class DeviceIo
{
    private const int BlockBytes = 1 << 20;

    /// <exception cref="StorageException">The device reported an error.</exception>
    public static void Transfer(IBlockDevice device, BlockOperation operation, long offsetBytes, byte* address, long sizeBytes)
    {
        var request = new BlockingRequest();
        for (long done = 0; done < sizeBytes; done += BlockBytes)
        {
            request.Transfer(device, operation, offsetBytes + done, address + done, (int)Math.Min(BlockBytes, sizeBytes - done));
        }
    }
}
