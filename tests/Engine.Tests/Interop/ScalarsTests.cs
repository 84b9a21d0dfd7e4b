using System.Reflection;
using Offload.Engine.Interop;
using TorchSharp;

namespace Offload.Engine.Tests.Interop;

public sealed class ScalarsTests
{
    private const int MemberReferences = 0x0A000000;

    // Methods that make a scalar for themselves: the factor of a sum, or of a number.
    private static readonly string[] Sums = ["add", "add_", "sub", "sub_", "op_Addition"];

    [Fact]
    public void Engine_AllItsCalls_LetTorchSharpConvertNoNumber()
    {
        MethodBase[] called = [.. CalledMethods(typeof(Scalars).Module)];

        Assert.Contains(called, method => method is { Name: "add", DeclaringType.Name: "Tensor" });
        Assert.Empty(called.Where(IsUnsafe).Select(method => $"{method.DeclaringType!.Name}.{method}"));
    }

    [Theory]
    [InlineData("op_Implicit", true)]
    [InlineData("op_Addition", true)]
    public void IsUnsafe_WhatConverts_IsFound(string name, bool expected) => Assert.Equal(
        expected, typeof(Scalar).GetMethods().Concat(typeof(torch.Tensor).GetMethods()).Any(method => method.Name == name && IsUnsafe(method)));

    private static bool IsUnsafe(MethodBase method)
    {
        Type[] parameters = [.. method.GetParameters().Select(parameter => parameter.ParameterType)];
        bool isOperator = method.Name.StartsWith("op_", StringComparison.Ordinal);
        return (method.DeclaringType == typeof(Scalar) && method.Name == "op_Implicit")
            || (method.DeclaringType == typeof(torch.Tensor) && isOperator && parameters.Any(type => type.IsPrimitive || type == typeof(Scalar)))
            || (method.DeclaringType == typeof(torch.Tensor) && Sums.Contains(method.Name) && !parameters.Skip(1).Contains(typeof(Scalar)) && !IsSafeDifference(method));
    }

    // torch_sub has no factor.
    private static bool IsSafeDifference(MethodBase method) => method.Name is "sub" or "sub_" && method.GetParameters()[0].ParameterType == typeof(torch.Tensor);

    private static IEnumerable<MethodBase> CalledMethods(Module module)
    {
        for (int row = 1; ; row++)
        {
            MethodBase? method;
            try
            {
                method = module.ResolveMember(MemberReferences + row) as MethodBase;
            }
            catch (ArgumentOutOfRangeException)
            {
                yield break;
            }
            catch (ArgumentException)
            {
                // Members of generic types, which need a context: none of a tensor's.
                continue;
            }

            if (method is not null)
            {
                yield return method;
            }
        }
    }
}
