using System.Runtime.InteropServices;
using System.Text;

namespace Offload.Engine.Cuda;

/// <summary>NVRTC, CUDA's compiler as a library (nvrtc.h). Loaded at the first use; any thread.</summary>
internal sealed unsafe class Nvrtc
{
    private static readonly Lock Gate = new();

    private static Nvrtc? _instance;

    private readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> _createProgram;
    private readonly delegate* unmanaged<nint, int, byte**, int> _compileProgram;
    private readonly delegate* unmanaged<nint, nuint*, int> _getCubinSize;
    private readonly delegate* unmanaged<nint, byte*, int> _getCubin;
    private readonly delegate* unmanaged<nint, nuint*, int> _getLogSize;
    private readonly delegate* unmanaged<nint, byte*, int> _getLog;
    private readonly delegate* unmanaged<nint*, int> _destroyProgram;
    private readonly delegate* unmanaged<int, byte*> _getErrorString;

    private Nvrtc(nint library)
    {
        _createProgram = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)NativeLibrary.GetExport(library, "nvrtcCreateProgram");
        _compileProgram = (delegate* unmanaged<nint, int, byte**, int>)NativeLibrary.GetExport(library, "nvrtcCompileProgram");
        _getCubinSize = (delegate* unmanaged<nint, nuint*, int>)NativeLibrary.GetExport(library, "nvrtcGetCUBINSize");
        _getCubin = (delegate* unmanaged<nint, byte*, int>)NativeLibrary.GetExport(library, "nvrtcGetCUBIN");
        _getLogSize = (delegate* unmanaged<nint, nuint*, int>)NativeLibrary.GetExport(library, "nvrtcGetProgramLogSize");
        _getLog = (delegate* unmanaged<nint, byte*, int>)NativeLibrary.GetExport(library, "nvrtcGetProgramLog");
        _destroyProgram = (delegate* unmanaged<nint*, int>)NativeLibrary.GetExport(library, "nvrtcDestroyProgram");
        _getErrorString = (delegate* unmanaged<int, byte*>)NativeLibrary.GetExport(library, "nvrtcGetErrorString");
        var version = (delegate* unmanaged<int*, int*, int>)NativeLibrary.GetExport(library, "nvrtcVersion");
        int major = 0;
        int minor = 0;
        Check(version(&major, &minor), "read NVRTC's version");
        Version = new Version(major, minor);
    }

    /// <summary>The compiler of this process.</summary>
    /// <exception cref="CudaException">There is none.</exception>
    public static Nvrtc Instance
    {
        get
        {
            lock (Gate)
            {
                return _instance ??= new Nvrtc(CudaLibraries.Load("nvrtc"));
            }
        }
    }

    /// <summary>Its version: that of the CUDA it is a part of.</summary>
    public Version Version { get; }

    /// <summary>Compiles a source for one GPU architecture.</summary>
    /// <param name="source">CUDA C++; it may include nothing.</param>
    /// <param name="name">As messages call it: "kernels.cu".</param>
    /// <param name="options">With a real architecture (sm_90), not a virtual one.</param>
    /// <exception cref="CudaException">The source does not compile; carries the compiler's first error.</exception>
    public byte[] Compile(string source, string name, IReadOnlyList<string> options)
    {
        nint program = 0;
        fixed (byte* sourceText = Utf8(source), nameText = Utf8(name))
        {
            Check(_createProgram(&program, sourceText, nameText, 0, null, null), $"compile {name}");
        }

        byte** arguments = stackalloc byte*[options.Count];
        int numArguments = 0;
        try
        {
            foreach (string option in options)
            {
                arguments[numArguments++] = (byte*)Marshal.StringToCoTaskMemUTF8(option);
            }

            int result = _compileProgram(program, numArguments, arguments);
            if (result != 0)
            {
                throw new CudaException($"compile {name}", $"{Describe(result)}: {FirstError(Log(program))}", $"options: {string.Join(' ', options)}; NVRTC {Version}");
            }

            nuint sizeBytes = 0;
            Check(_getCubinSize(program, &sizeBytes), $"compile {name}");
            byte[] cubin = new byte[sizeBytes];
            fixed (byte* target = cubin)
            {
                Check(_getCubin(program, target), $"compile {name}");
            }

            return cubin;
        }
        finally
        {
            for (int index = 0; index < numArguments; index++)
            {
                Marshal.FreeCoTaskMem((nint)arguments[index]);
            }

            _destroyProgram(&program);
        }
    }

    /// <summary>The first line of the compiler's log that tells an error, else all of it; in one line.</summary>
    internal static string FirstError(string log)
    {
        string[] lines = log.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.FirstOrDefault(line => line.Contains("error", StringComparison.OrdinalIgnoreCase)) ?? string.Join("; ", lines);
    }

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + '\0');

    private string Log(nint program)
    {
        nuint sizeBytes = 0;
        if (_getLogSize(program, &sizeBytes) != 0 || sizeBytes == 0)
        {
            return "the compiler gives no reason";
        }

        byte[] log = new byte[sizeBytes];
        fixed (byte* target = log)
        {
            return _getLog(program, target) == 0 ? Encoding.UTF8.GetString(log).TrimEnd('\0') : "the compiler gives no reason";
        }
    }

    private string Describe(int result) => Marshal.PtrToStringUTF8((nint)_getErrorString(result)) ?? $"error {result}";

    private void Check(int result, string operation)
    {
        if (result != 0)
        {
            throw new CudaException(operation, Describe(result), null);
        }
    }
}
