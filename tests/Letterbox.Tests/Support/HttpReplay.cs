// Plays bytes through the request reader, cut into pieces, as a connection does: what was left over stays in
// front of what comes, and the next request begins where the last one ended.

using System.Text;
using Letterbox.Http;

namespace Letterbox.Tests.Support;

/// <summary>Plays one input after the other. Not thread-safe.</summary>
internal sealed class HttpReplay(HttpLimits limits)
{
    // The first request does not begin at 0, so that an offset from the wrong origin shows.
    private const int Origin = 13;

    private readonly RequestReader _reader = new(limits);
    private byte[] _buffer = new byte[2 * limits.RequestBytesMax];
    private StringBuilder? _log;
    private HashCode _outcome;

    /// <summary>Methods of the requests in order, the one that was refused included.</summary>
    public List<Method> Methods { get; } = [];

    /// <summary>Why the last request was refused.</summary>
    public Rejection Rejection { get; private set; }

    /// <summary>The input ends within a request.</summary>
    public bool EndsWithin { get; private set; }

    /// <summary>Plays the bytes in pieces; equal outcomes have equal numbers (within this process).</summary>
    /// <param name="bytes">What the client sends.</param>
    /// <param name="first">Length of the first piece.</param>
    /// <param name="then">Length of the others.</param>
    /// <param name="log">Told every outcome in words.</param>
    public int Play(ReadOnlySpan<byte> bytes, int first, int then, StringBuilder? log = null)
    {
        (_log, _outcome, Rejection, EndsWithin) = (log, default, Rejection.None, false);
        Methods.Clear();
        _reader.Reset();
        if (_buffer.Length < bytes.Length + Origin) _buffer = new byte[bytes.Length + Origin];
        _buffer.AsSpan().Fill((byte)'\n');
        int start = Origin, end = Origin, fed = 0;
        while (fed < bytes.Length && Rejection == Rejection.None)
        {
            int piece = Math.Min(fed == 0 ? first : then, bytes.Length - fed);
            bytes.Slice(fed, piece).CopyTo(_buffer.AsSpan(end));
            (fed, end) = (fed + piece, end + piece);
            start = Read(start, ref end, fed);
        }

        EndsWithin = Rejection == Rejection.None && end > start;
        Describe(EndsWithin ? 1 : 0, $"ends within a request: {EndsWithin}\n");
        return _outcome.ToHashCode();
    }

    private int Read(int start, ref int end, int fed)
    {
        while (end > start)
        {
            switch (_reader.Read(_buffer, start, ref end))
            {
                case ReadStatus.NeedMore:
                    int held = end - start;
                    Assert.True(held <= limits.RequestBytesMax, $"{held} bytes held, beyond the bound");
                    return start;
                case ReadStatus.Rejected:
                    Rejection = _reader.Rejection;
                    Methods.Add(_reader.Request.Method);
                    Describe((int)Rejection, $"refused: {Rejection}\n");
                    return start;
                default:
                    start += _reader.Consumed;
                    Describe(_reader.Request, fed - (end - start));
                    _reader.Reset();
                    break;
            }
        }

        return start;
    }

    private void Describe(Request request, int consumed)
    {
        Methods.Add(request.Method);
        _outcome.Add(request.Method);
        _outcome.Add(request.KeepAlive);
        _outcome.AddBytes(request.Target);
        _outcome.AddBytes(request.Path);
        _outcome.AddBytes(request.Query);
        for (int i = 0; i < request.FieldCount; i++)
        {
            _outcome.AddBytes(request.FieldName(i));
            _outcome.AddBytes(request.FieldValue(i));
        }

        _outcome.AddBytes(request.Content);
        Describe(consumed, "");
        _log?.Append($"{request.Method} {Encoding.Latin1.GetString(request.Target)} 1.{request.MinorVersion}")
            .Append($", {request.FieldCount} fields, {request.Content.Length} bytes of content")
            .Append($", keep alive: {request.KeepAlive}, ends at {consumed}\n");
    }

    private void Describe(int fact, string text)
    {
        _outcome.Add(fact);
        _log?.Append(text);
    }
}
