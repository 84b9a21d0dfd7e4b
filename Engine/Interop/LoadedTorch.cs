namespace Offload.Engine.Interop;

/// <summary>The libtorch of this process. It stays loaded until the process ends.</summary>
/// <param name="Choice">Where it comes from.</param>
/// <param name="Version">Its release, such as 2.10.0.</param>
/// <param name="TorchCpu">dlopen handle of <c>libtorch_cpu.so</c>, for <see cref="System.Runtime.InteropServices.NativeLibrary.GetExport"/>; never to be freed.</param>
/// <param name="TorchCuda">dlopen handle of <c>libtorch_cuda.so</c>; zero in a libtorch without CUDA.</param>
public sealed record LoadedTorch(LibtorchChoice Choice, Version Version, IntPtr TorchCpu, IntPtr TorchCuda);
