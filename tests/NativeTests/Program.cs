// Runs the tests that are compiled into this program, as xunit's own runner does; that one cannot be compiled
// natively. Nor can its comparison of sequences of value types: the tests here compare texts instead.
//
//    NativeTests [-xml FILE] [-method PATTERN]... [-noColor]
//
// One class after the other in each of a few lanes. FILE gets the counts, in xunit's form. The exit status is
// 0 when none failed, and some ran or PATTERN matches none of these.

using System.Collections;
using System.Diagnostics;
using System.IO.Enumeration;
using System.Reflection;
using System.Runtime.ExceptionServices;

const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance
    | BindingFlags.Static | BindingFlags.FlattenHierarchy;
const string SkipToken = "$XunitDynamicSkip$";
const int Lanes = 4;

var patterns = new List<string>();
string? results = null;
for (int at = 0; at < args.Length; at++)
{
    if (args[at] == "-method") patterns.Add(args[++at]);
    else if (args[at] == "-xml") results = args[++at];
}

// Synchronous tests block the threads that they run on.
ThreadPool.SetMinThreads(8 * Lanes, 8 * Lanes);
int passed = 0, failed = 0, skipped = 0;
Type[] classes = [.. typeof(Program).Assembly.GetTypes().Where(static type => !type.IsAbstract)];
await Parallel.ForEachAsync(classes, new ParallelOptions { MaxDegreeOfParallelism = Lanes }, RunClassAsync);
if (results is not null)
{
    File.WriteAllText(
        results, $"<assembly passed=\"{passed}\" failed=\"{failed}\" skipped=\"{skipped}\" errors=\"0\">");
}

Console.WriteLine($"natively compiled: {passed} passed, {failed} failed, {skipped} skipped");
return failed == 0 && (passed > 0 || patterns.Count > 0) ? 0 : 1;

async ValueTask RunClassAsync(Type type, CancellationToken cancel)
{
    await Task.Yield();
    foreach (MethodInfo method in type.GetMethods(Any).Where(IsAskedFor))
    {
        foreach (object?[] row in Rows(type, method)) await RunTestAsync(type, method, row);
    }

    bool IsAskedFor(MethodInfo method) =>
        method.IsDefined(typeof(FactAttribute), inherit: true)
        && (patterns.Count == 0 || patterns.Exists(pattern => FileSystemName.MatchesSimpleExpression(
            pattern, $"{type.FullName}.{method.Name}")));
}

static IEnumerable<object?[]> Rows(Type type, MethodInfo method)
{
    if (!method.IsDefined(typeof(TheoryAttribute), inherit: true)) return [[]];
    IEnumerable<object?[]> inline =
        method.GetCustomAttributes<InlineDataAttribute>().Select(static data => data.Data);
    IEnumerable<object?[]> member =
        from data in method.GetCustomAttributes<MemberDataAttribute>()
        from object row in (IEnumerable)type.GetProperty(data.MemberName, Any)!.GetValue(null)!
        select ((ITheoryDataRow)row).GetData();
    object?[][] rows = [.. inline, .. member];
    return rows.Length > 0 ? rows : throw new InvalidOperationException($"no data for {method.Name}");
}

async Task RunTestAsync(Type type, MethodInfo method, object?[] row)
{
    string name = $"{type.FullName}.{method.Name}({string.Join(", ", row)})";
    long began = Stopwatch.GetTimestamp();
    try
    {
        await CallAsync(type, method, row);
        Interlocked.Increment(ref passed);
    }
    catch (Exception e) when (e.Message.StartsWith(SkipToken, StringComparison.Ordinal))
    {
        Interlocked.Increment(ref skipped);
    }
    catch (Exception e)
    {
        Interlocked.Increment(ref failed);
        Console.WriteLine($"FAILED {name} after {Stopwatch.GetElapsedTime(began).TotalSeconds:F1} s\n{e}\n");
    }
}

static async Task CallAsync(Type type, MethodInfo method, object?[] row)
{
    object? test = null;
    try
    {
        test = method.IsStatic ? null : Activator.CreateInstance(type);
        if (test is IAsyncLifetime lifetime) await lifetime.InitializeAsync();
        object? result = method.Invoke(test, row);
        if (result is Task task) await task;
        else if (result is ValueTask value) await value;
    }
    catch (TargetInvocationException e) when (e.InnerException is { } inner)
    {
        ExceptionDispatchInfo.Throw(inner);
    }
    finally
    {
        if (test is IAsyncDisposable disposable) await disposable.DisposeAsync();
        else (test as IDisposable)?.Dispose();
    }
}
