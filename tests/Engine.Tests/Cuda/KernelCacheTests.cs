using Offload.Engine.Cuda;

namespace Offload.Engine.Tests.Cuda;

public sealed class KernelCacheTests : IDisposable
{
    private static readonly byte[] Kernels = [1, 2, 3, 4, 5];

    private readonly string _folder = Directory.CreateTempSubdirectory("offload-kernels-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void TryRead_AfterWrite_GivesTheKernelsAndLeavesNothingElse()
    {
        var cache = new KernelCache(Path.Join(_folder, "made", "on", "demand"));

        Assert.Null(cache.TryRead("key"));
        Assert.True(cache.TryWrite("key", Kernels));
        Assert.True(cache.TryWrite("key", Kernels));

        Assert.Equal(Kernels, cache.TryRead("key"));
        Assert.Null(cache.TryRead("other"));
        Assert.Equal(["key.cubin"], Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories).Select(Path.GetFileName));
    }

    [Fact]
    public void TryRead_FileCutAnywhereOrChanged_IsAbsentUntilWrittenAgain()
    {
        var cache = new KernelCache(_folder);
        cache.TryWrite("key", Kernels);
        string path = Path.Join(_folder, "key.cubin");
        byte[] whole = File.ReadAllBytes(path);
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.Null(cache.TryRead("key"));
        }

        for (int index = 0; index < whole.Length; index++)
        {
            byte[] changed = [.. whole];
            changed[index] ^= 1;
            File.WriteAllBytes(path, changed);
            Assert.Null(cache.TryRead("key"));
        }

        Assert.True(cache.TryWrite("key", Kernels));
        Assert.Equal(Kernels, cache.TryRead("key"));
    }

    [Fact]
    public void TryWrite_FolderThatCannotBeMade_KeepsNothing()
    {
        string file = Path.Join(_folder, "file");
        File.WriteAllText(file, "");
        var cache = new KernelCache(Path.Join(file, "kernels"));

        Assert.False(cache.TryWrite("key", Kernels));
        Assert.Null(cache.TryRead("key"));
    }

    [Fact]
    public void TryWrite_PlaceTaken_LeavesNoTemporaryFile()
    {
        Directory.CreateDirectory(Path.Join(_folder, "key.cubin", "in the way"));

        Assert.False(new KernelCache(_folder).TryWrite("key", Kernels));

        Assert.Empty(Directory.EnumerateFiles(_folder));
    }

    [Fact]
    public void TryWrite_NoFolder_KeepsNothing()
    {
        var cache = new KernelCache(null);

        Assert.False(cache.TryWrite("key", Kernels));
        Assert.Null(cache.TryRead("key"));
    }

    [Fact]
    public void TryRead_WhileManyWrite_IsWholeOrAbsent()
    {
        var cache = new KernelCache(_folder);
        byte[][] versions = [.. Enumerable.Range(1, 4).Select(value => Enumerable.Repeat((byte)value, 10_000 * value).ToArray())];
        Thread[] writers = [.. versions.Select(version => new Thread(() =>
        {
            for (int round = 0; round < 50; round++)
            {
                cache.TryWrite("key", version);
            }
        }))];
        Array.ForEach(writers, writer => writer.Start());
        cache.TryWrite("key", versions[0]);
        for (int round = 0; round < 200; round++)
        {
            byte[] read = Assert.IsType<byte[]>(cache.TryRead("key"));
            Assert.Equal(versions[read[0] - 1], read);
        }

        Array.ForEach(writers, writer => writer.Join());
        Assert.Single(Directory.EnumerateFiles(_folder));
    }

    [Fact]
    public void Key_AnyPartDiffers_Differs()
    {
        var version = new Version(13, 0);
        string[] keys =
        [
            KernelCache.Key("ab", ["c", "d"], version),
            KernelCache.Key("abc", ["d"], version),
            KernelCache.Key("ab", ["cd"], version),
            KernelCache.Key("ab", ["d", "c"], version),
            KernelCache.Key("ab", ["c"], version),
            KernelCache.Key("ab", ["c", "d", ""], version),
            KernelCache.Key("aB", ["c", "d"], version),
            KernelCache.Key("ab", ["c", "d"], new Version(13, 1)),
        ];

        Assert.Distinct(keys);
        Assert.Equal(keys[0], KernelCache.Key("ab", ["c", "d"], version));
    }

    [Fact]
    public void FirstError_LogOfACompiler_IsOneLine()
    {
        Assert.Equal("k.cu(3): error: identifier \"x\" is undefined", Nvrtc.FirstError("k.cu(1): warning: unused\nk.cu(3): error: identifier \"x\" is undefined\n\n1 error detected\n"));
        Assert.Equal("a; b", Nvrtc.FirstError("a\n\n b\n"));
    }
}
