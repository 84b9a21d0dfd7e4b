using System.Diagnostics;
using Offload.Storage.Files;
using Offload.Storage.Safetensors;

namespace Offload.Storage.Tests.Files;

public sealed class DiskSpaceTests
{
    [Fact]
    public void Require_MoreThanFree_SaysHowMuchIsMissing()
    {
        using var folder = new TemporaryFolder();
        long wantedBytes = 1L << 60;

        var error = Assert.Throws<StorageException>(() => DiskSpace.Require(folder["not/yet/there"], wantedBytes));

        Assert.Contains($"cannot write {wantedBytes} bytes", error.Message, StringComparison.Ordinal);
        Assert.Contains("bytes are missing", error.Message, StringComparison.Ordinal);
        Assert.Contains("Free space", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void Require_Little_Passes()
    {
        using var folder = new TemporaryFolder();

        DiskSpace.Require(folder["x"], 1);
        Assert.True(DiskSpace.AvailableBytes(folder["x"]) > 0);
    }

    [Fact]
    public void FullFileSystem_RequireAndWrite_FailCleanly()
    {
        using var folder = new TemporaryFolder();
        const int SizeBytes = 1 << 20;
        Assert.SkipUnless(
            Environment.IsPrivilegedProcess && Run("mount", "-t", "tmpfs", "-o", $"size={SizeBytes}", "tmpfs", folder.Path), "cannot mount a tmpfs here");
        try
        {
            TensorSpec[] tensors = [new("a", ElementType.U8, SizeBytes / 2)];
            Assert.Throws<StorageException>(() => DiskSpace.Require(folder["x"], SizeBytes + 1));

            // It fits when the writer begins; then something else takes the space.
            using (var writer = new SafetensorsWriter(folder["x.safetensors"], tensors))
            {
                File.WriteAllBytes(folder["other"], new byte[SizeBytes * 3 / 4]);
                writer.BeginTensor("a");
                var error = Assert.Throws<StorageException>(() => writer.Write(new byte[SizeBytes / 2]));
                Assert.Contains("ENOSPC (28)", error.Message, StringComparison.Ordinal);
            }

            Assert.Equal(["other"], folder.Names);
            Assert.Throws<StorageException>(() => new SafetensorsWriter(folder["x.safetensors"], tensors));
            Assert.Equal(["other"], folder.Names);

            // A mount point is never replaced, even where everything in it might be.
            var refused = Assert.Throws<StorageException>(() => new AtomicFolder(folder.Path, _ => true));
            Assert.Contains("mount point", refused.Message, StringComparison.Ordinal);
            Assert.Contains(folder["model"], refused.Hint, StringComparison.Ordinal);
        }
        finally
        {
            Assert.True(Run("umount", folder.Path));
        }
    }

    [Fact]
    public void RequireAll_OneFileSystem_IsCountedTogether()
    {
        using var folder = new TemporaryFolder();
        long availableBytes = DiskSpace.AvailableBytes(folder.Path);
        long halfBytes = availableBytes / 2;

        DiskSpace.RequireAll([(folder["a"], halfBytes / 2), (folder["b"], halfBytes / 2)]);
        var error = Assert.Throws<StorageException>(() => DiskSpace.RequireAll([(folder["a"], halfBytes), (folder["b"], availableBytes), ("/proc", 0)]));

        Assert.StartsWith(folder["b"], error.Message, StringComparison.Ordinal);
        Assert.Contains("bytes are missing", error.Message, StringComparison.Ordinal);
    }

    private static bool Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
