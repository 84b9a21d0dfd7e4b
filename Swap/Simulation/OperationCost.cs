namespace Offload.Swap.Simulation;

/// <summary>What an operation takes when no other lane is at work.</summary>
/// <param name="Seconds">Time; 0 is allowed.</param>
/// <param name="HostBytes">Bytes of CPU memory traffic, spread over that time.</param>
public readonly record struct OperationCost(double Seconds, double HostBytes);
