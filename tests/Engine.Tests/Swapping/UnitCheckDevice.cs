using Offload.Engine.Models;
using Offload.Engine.Swapping;
using Offload.Engine.Training;
using Offload.Storage.Memory;

namespace Offload.Engine.Tests.Swapping;

/// <summary>A device whose units are compared with the CPU's.</summary>
/// <param name="Device">Memory and copies.</param>
/// <param name="Limit">What memory is reserved from.</param>
/// <param name="Create">Makes what is compared; the caller's.</param>
/// <param name="Synchronize">Waits until the device is done with its work.</param>
internal sealed record UnitCheckDevice(ISwapDevice Device, MemoryLimit Limit, Func<ModelLayout, RunNumerics, IUnitCompute> Create, Action Synchronize);
