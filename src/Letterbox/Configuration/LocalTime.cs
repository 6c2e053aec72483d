// The clock with the local time zone. The runtime reads TZ too, but it takes a name that it does not know for
// UTC without notice, and knows no POSIX zones. Here such a zone is honoured, and any other name is an error.
//
//    unset                     the zone of the machine
//    Europe/Berlin, :UTC       a zone of the machine's database (package tzdata)
//    /etc/localtime            a file of such a zone
//    JST-9, CET-1CEST          POSIX: see PosixTimeZone.cs

namespace Letterbox.Configuration;

internal sealed class LocalTime : TimeProvider
{
    private const string Expected = "a zone of this machine's time zone database (package tzdata), "
        + "such as Europe/Berlin, or a POSIX zone, such as CET-1CEST,M3.5.0,M10.5.0/3";

    private LocalTime(TimeZoneInfo zone) => LocalTimeZone = zone;

    // The clock of this process.
    public static TimeProvider Clock { get; private set; } = System;

    public override TimeZoneInfo LocalTimeZone { get; }

    // The value of TZ; null: not set.
    /// <exception cref="SettingsException">There is no such zone.</exception>
    public static void Use(string? zone)
    {
        if (zone is not null) Clock = new LocalTime(Find(zone));
    }

    public static DateTime Of(DateTimeOffset at) =>
        TimeZoneInfo.ConvertTime(at, Clock.LocalTimeZone).DateTime;

    public static TimeZoneInfo Find(string zone)
    {
        string name = zone.TrimStart(':');
        if (name.Length == 0) return TimeZoneInfo.Utc;
        if (Path.IsPathRooted(name) ? IsZoneFile(name) : TimeZoneInfo.TryFindSystemTimeZoneById(name, out _))
            return Path.IsPathRooted(name) ? TimeZoneInfo.Local : TimeZoneInfo.FindSystemTimeZoneById(name);
        if (PosixTimeZone.TryParse(name, out TimeZoneInfo? posix)) return posix;
        throw new SettingsException($"TZ is \"{Settings.Printable(zone)}\": expected {Expected}");
    }

    private static bool IsZoneFile(string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            Span<byte> magic = stackalloc byte[4];
            return file.Read(magic) == 4 && magic.SequenceEqual("TZif"u8);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
