using System.Diagnostics;
using Offload.Acceptance;
using Offload.Acceptance.Cuda;
using Offload.Acceptance.Fio;
using Offload.Acceptance.Import;
using Offload.Acceptance.Memory;
using Offload.Acceptance.Swap;

// A check that measures a process's memory runs this program again, one stage at a time.
if (args is [LargeImport.Name, var stage, var folder])
{
    return ImportStage.Run(stage, folder);
}

AcceptanceCheck[] checks =
[
    new("split-master", "all 2^32 float32 patterns through the split master, every vector width (a minute on two cores)", SplitMasterSweep.Run),
    new("crash", "offload train killed 75 times at random moments and resumed, with states in memory and on drives, against a run that nobody touched (five minutes)", CrashLaw.Run),
    new("faults", "each operation of runs with states on drives failing in each way, and the run resumed (five minutes)", FaultLaw.Run),
    new("swap-plans", "1000 random models and plans, overlapped and one operation at a time, against the resident model's bits (three minutes)", SwapPlansLaw.Run),
    new("swap-faults", "runs of the swapped model in all orders and update modes with a fault in every lane, and the run resumed (half an hour)", SwapFaultLaw.Run),
    new("store-crash", "10000 random histories of a state store whose machine crashes, against a model (a few minutes)", StoreChecks.RunCrashes),
    new("store-fuzz", "a million broken labels, headers and commit records of stores, and safetensors headers (a few minutes)", StoreChecks.RunFuzz),
    new("fio", "the file device against fio: rate and processor time, in turns (five minutes; writes to the temporary folder or OFFLOAD_FIO_FOLDER)", FioComparison.Run),
    new("store-fio", "a state store, checksums and all layers, against fio: rates, in turns (five minutes; writes to the temporary folder or OFFLOAD_FIO_FOLDER)", StoreComparison.Run),
    new("planner-optimum", "plans of 120 small models against all plans that there are (a quarter of an hour)", PlannerChecks.RunOptimum),
    new("planner-speed", "an 80-layer model planned, in seconds (a minute)", PlannerChecks.RunSpeed),
    new("swap-overlap", "steps whose lanes are balanced, on throttled devices, against the busiest lane and against one operation at a time (three minutes; a machine without other work)", OverlapCheck.Run),
    new("swap-prediction", "32 random models and plans on throttled devices against the simulator (four minutes; a machine without other work)", PredictionCheck.Run),
    new("swap-orders", "layer-major, fuyou and zero-infinity as the planner makes them, on throttled devices (four minutes; a machine without other work)", OrdersCheck.Run),
    new("swap-depth", "models of 8 to 48 layers with everything on throttled drives: time linear in depth, memory flat (a minute; a machine without other work)", DepthCheck.Run),
    new("cuda-kernels", "every kernel of the GPU on random shapes against the CPU, and its rate (a few minutes; needs a GPU)", KernelComparison.Run),
    new(LargeImport.Name, "a bf16 checkpoint of 3 GB imported into a store, verified and exported in 300 MiB of memory (a few minutes; 42 GB in the temporary folder)", LargeImport.Run),
    new("swap-memory", "models of 3 and 14 GB of states trained under --cpu-memory 1GiB, and the program's memory (a quarter of an hour; 40 GB in the temporary folder)", SwapMemory.Run),
    new("cuda-unit", "every unit operation on the GPU against the CPU's: all kinds of layers, float32 and bfloat16, all policies (a few minutes; a GPU)", CudaUnitCheck.Run),
];

string known = string.Join(Environment.NewLine, checks.Select(check => $"  {check.Name,-16} {check.Description}"));
if (args.Length == 0)
{
    Console.Error.WriteLine($"usage: Offload.Acceptance all | NAME...{Environment.NewLine}{known}");
    return 2;
}

string? unknown = Array.Find(args, name => name != "all" && !Array.Exists(checks, check => check.Name == name));
if (unknown is not null)
{
    Console.Error.WriteLine($"'{unknown}' is not a check; expected 'all' or one of:{Environment.NewLine}{known}");
    return 2;
}

bool allHold = true;
foreach (AcceptanceCheck check in args.Contains("all") ? checks : [.. checks.Where(check => args.Contains(check.Name))])
{
    Console.WriteLine($"{check.Name}: {check.Description}");
    long start = Stopwatch.GetTimestamp();
    bool holds = check.Run(Console.Out);
    Console.WriteLine($"{check.Name}: {(holds ? "holds" : "FAILS")} ({Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s)");
    allHold &= holds;
}

return allHold ? 0 : 1;
