using Offload.Engine.Interop;
using TorchSharp;
try {
var l = TorchRuntime.Load(LibtorchLocator.Locate(args.Length > 0 ? args[0] : null));
Console.WriteLine(l);
Console.WriteLine(torch.ones(2, 2).mm(torch.ones(2, 2)).sum().item<float>());
foreach (var s in File.ReadLines("/proc/self/maps").Where(x => x.Contains("torch_cpu.so"))) { Console.WriteLine(s); }
TorchRuntime.Load(LibtorchLocator.Locate(args.Length > 0 ? args[0] : null), DeviceType.CUDA);
} catch (Offload.Profiles.OffloadException e) { Console.WriteLine(e.Message + "\n" + e.Hint); }
return 0;
