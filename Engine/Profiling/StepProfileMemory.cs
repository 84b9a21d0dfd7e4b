namespace Offload.Engine.Profiling;

/// <summary>High-water marks of a measured training, in bytes. Immutable.</summary>
/// <param name="GpuBytes">GPU memory, workspace included.</param>
/// <param name="GpuBudgetBytes">Its ceiling; null: none.</param>
/// <param name="CpuBytes">CPU memory that the model allocated.</param>
/// <param name="CpuBudgetBytes">Its ceiling.</param>
/// <param name="DriveBytes">Room on the drives; 0: none was used.</param>
/// <param name="ProcessBytes">Resident memory of the whole process, both tiers included where the CPU computes.</param>
public sealed record StepProfileMemory(long GpuBytes, long? GpuBudgetBytes, long CpuBytes, long CpuBudgetBytes, long DriveBytes, long ProcessBytes);
