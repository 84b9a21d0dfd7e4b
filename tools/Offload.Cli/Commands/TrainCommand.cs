using System.CommandLine;
using Offload.Engine.Training;
using Offload.Profiles;

namespace Offload.Cli.Commands;

/// <summary><c>offload train</c>: fine-tunes a model of a Hub folder on text.</summary>
internal static class TrainCommand
{
    internal static Command Create()
    {
        var command = new Command("train", "Fine-tune a model on text; writes a run folder with checkpoints, metrics and the trained model");
        TrainingArguments.AddTo(command);
        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        TrainingOptions options = TrainingArguments.Read(context);
        context.LoadTorch(context.Get(CommonOptions.Device)?.Type ?? TorchSharp.DeviceType.CPU);
        var observer = new TrainingOutput(context, TimeProvider.System);
        var trainer = new Trainer(options, observer, new LineLogger<Trainer>(context.Error, context.Verbose), TimeProvider.System);
        TrainingResult result;
        try
        {
            result = trainer.Run(context.Cancellation);
        }
        catch (OperationCanceledException) when (RunSummary.IsRun(options.OutputFolder))
        {
            context.Error.WriteLine("the same command with --resume goes on");
            throw;
        }

        if (context.Json)
        {
            context.WriteJson(result);
        }
        else
        {
            Write(context.Output, result);
        }

        return ExitCode.Done;
    }

    private static void Write(TextWriter output, TrainingResult result)
    {
        output.WriteLine($"done: {result.Steps} steps, loss {result.FinalLoss:F4}, {result.TokensPerSecond:N0} tokens/s, peak memory {result.PeakCpuBytes / (double)(1 << 30):F2} GiB");
        if (result.EvalLoss is double after && result.EvalLossBefore is double before)
        {
            output.WriteLine($"evaluation: loss {before:F4} -> {after:F4}, perplexity {Math.Exp(before):F2} -> {Math.Exp(after):F2}");
        }

        string life = result.DriveLifeDays is double days ? $"; at this rate the drives last {result.DriveLifeSteps:N0} steps, {days:N0} days" : "";
        output.WriteLine($"states: {Sizes.Format(result.SsdBytesRead)} read, {Sizes.Format(result.SsdBytesWritten)} written, {Sizes.Format((long)result.SsdBytesPerStep)} a step{life}");
        output.WriteLine($"weights {result.WeightsHash}; run in {result.Output}");
        if (result.ModelFolder is not null)
        {
            output.WriteLine($"model in {result.ModelFolder}; try: offload generate --model {result.ModelFolder} --prompt \"...\"");
        }
    }
}
