using System.CommandLine;
using System.Globalization;
using Offload.Engine.Models;
using Offload.Engine.Profiling;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Storage.Benchmarks;
using Offload.Storage.Files;

namespace Offload.Cli.Commands;

/// <summary><c>offload profile hardware</c>: the rates of this machine as a hardware profile.</summary>
internal static class ProfileHardwareCommand
{
    private static readonly Option<string?> Output = CommonOptions.Text("--output", "FILE", "Write the profile as JSON, for --hardware");
    private static readonly Option<string?> Name = CommonOptions.Text("--name", "TEXT", "Name of the profile [the GPU's, or the processor's]");
    private static readonly Option<double?> Seconds = CommonOptions.Number("--seconds", "Time for each rate [2]; longer is steadier");
    private static readonly Option<long?> WorkingSet = CommonOptions.Size("--working-set", "Memory that copies and updates go over [512MiB, with a GPU 4GiB or an eighth of what is free]; several times the processor's cache");
    private static readonly Option<long?> Size = CommonOptions.Size("--size", "Size of the temporary files on the drives, all together [4GiB]");

    internal static Command Create()
    {
        var command = new Command(
            "hardware",
            "Measure arithmetic, copies, updates, memory and, with --nvme, drives; the result is a hardware profile for plans. With --nvme it writes a temporary file into each folder, says how much before, and removes it");
        command.Add(Output);
        command.Add(Name);
        command.Add(CommonOptions.Nvme);
        command.Add(Size);
        command.Add(CommonOptions.Device);
        command.Add(CommonOptions.Dtype);
        command.Add(CommonOptions.Threads);
        command.Add(Seconds);
        command.Add(WorkingSet);
        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        string? output = context.Get(Output);
        NewFile.Require(Output.Name, output);
        HardwareMeasurementOptions options = Read(context);
        if (options.NvmeFolders.Count > 0)
        {
            BenchStorageCommand.Announce(context.Error, StorageBenchmarkPlan.Make(new StorageBenchmarkOptions { Folders = options.NvmeFolders, SizeBytes = options.StorageBytes }));
        }

        context.LoadTorch(context.Get(CommonOptions.Device)?.Type ?? TorchSharp.DeviceType.CPU);
        HardwareMeasurementResult result = HardwareMeasurement.Run(options, context.Error.WriteLine, warning => context.Error.WriteLine($"warning: {warning}"), context.Cancellation);
        if (output is not null)
        {
            AtomicFile.Write(output, HardwareProfileFile.Format(result.Profile));
        }

        if (context.Json)
        {
            context.WriteJson(result);
        }
        else
        {
            Write(context.Output, result, options.Device, output);
        }

        return ExitCode.Done;
    }

    private static HardwareMeasurementOptions Read(CommandContext context)
    {
        double seconds = context.Get(Seconds) ?? HardwareMeasurementOptions.DefaultSecondsEach;
        string[] folders = context.Get(CommonOptions.Nvme) ?? [];
        if (folders.Length == 0 && context.Get(Size) is not null)
        {
            throw new UsageException("--size: without --nvme no drive is measured", "name a folder on each drive with --nvme");
        }

        ComputeDevice device = TrainingArguments.ReadDevice(context) ?? ComputeDevice.Cpu;
        return new HardwareMeasurementOptions
        {
            Name = context.Get(Name),
            Device = device,
            GpuOrdinal = context.Get(CommonOptions.Device)?.Index ?? 0,
            Type = TrainingArguments.ReadType(context) ?? ComputeType.BFloat16,
            Threads = TrainingArguments.ToInt(context, CommonOptions.Threads) ?? Environment.ProcessorCount,
            SecondsEach = seconds,
            WorkingSetBytes = context.Get(WorkingSet) ?? HardwareMeasurementOptions.DefaultWorkingSet(device),
            NvmeFolders = folders,
            StorageBytes = context.Get(Size) ?? StorageBenchmarkOptions.DefaultSizeBytes,
        };
    }

    private static void Write(TextWriter text, HardwareMeasurementResult result, ComputeDevice device, string? output)
    {
        string gpu = device == ComputeDevice.Cuda ? string.Create(CultureInfo.InvariantCulture, $", {result.Profile.Gpu.MemoryGiB} GiB of the GPU's memory") : "";
        text.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{result.Profile.Name}: {result.Profile.Cpu.Cores} cores, {result.Profile.Cpu.MemoryGiB} GiB free{gpu}; measured in {result.Seconds:F0} s"));
        text.WriteLine();
        text.WriteLine($"{"",-28} {"median",9} {"1st decile",10} {"9th decile",10} {"",-15} {"samples",7}");
        foreach (MeasuredRate rate in result.Rates)
        {
            text.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{rate.Name,-28} {rate.Median,9:G4} {rate.FirstDecile,10:G4} {rate.NinthDecile,10:G4} {rate.Unit,-15} {rate.Samples,7}  {rate.What}"));
        }

        text.WriteLine();
        if (result.Storage is not null)
        {
            StorageBenchmarkReport.Write(text, result.Storage);
        }
        else
        {
            text.WriteLine("No drives measured: --nvme DIR does.");
        }

        text.WriteLine(output is null ? "Not written: --output FILE keeps it for --hardware FILE." : $"Written to {output}.");
    }
}
