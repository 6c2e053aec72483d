// The address of the process that owns a journal, in the file `letterbox.address` beside it. A second process
// asks there whether the owner serves, or is about to end. Not in the lock file: while that is locked the
// runtime opens it for no one else.

namespace Letterbox.Store.Journal;

internal sealed class OwnerAddress : IDisposable
{
    private readonly string _path;

    private OwnerAddress(string path) => _path = path;

    // Only a help for the second process: a full disk is not an error here.
    public static OwnerAddress Write(string folder, string address)
    {
        var owner = new OwnerAddress(PathIn(folder));
        owner.Try(path =>
        {
            using FileStream file = DataFolder.OpenFile(path);
            file.SetLength(0);
            using var text = new StreamWriter(file);
            text.WriteLine(address);
        });
        return owner;
    }

    // Null: no process has written it, or it ended in order.
    public static string? Read(string folder)
    {
        string? address = null;
        new OwnerAddress(PathIn(folder)).Try(path => address = File.ReadLines(path).FirstOrDefault());
        return address;
    }

    public void Dispose() => Try(File.Delete);

    private static string PathIn(string folder) => Path.Combine(folder, "letterbox.address");

    private void Try(Action<string> use)
    {
        try
        {
            use(_path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Then the second process waits, as for an owner that does not answer.
        }
    }
}
