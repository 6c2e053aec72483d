// The three forms of a date, the century of a year with two digits, and what is no date.

using System.Globalization;
using System.Text;
using Letterbox.Http;

namespace Letterbox.Tests.Http;

public sealed class HttpDateTests
{
    [Theory]
    [InlineData("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06 08:49:37")]
    [InlineData("Sun Nov  6 08:49:37 1994", "1994-11-06 08:49:37")]
    [InlineData("Wed Nov 16 08:49:37 1994", "1994-11-16 08:49:37")]
    // At most 50 years after now, 2026-06-01 12:00:00.
    [InlineData("Thursday, 01-Jan-71 00:00:00 GMT", "2071-01-01 00:00:00")]
    [InlineData("Monday, 01-Jun-76 12:00:00 GMT", "2076-06-01 12:00:00")]
    [InlineData("Tuesday, 01-Jun-76 12:00:01 GMT", "1976-06-01 12:00:01")]
    [InlineData("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06 08:49:37")]
    [InlineData("Saturday, 01-Jan-00 00:00:00 GMT", "2000-01-01 00:00:00")]
    // A leap second.
    [InlineData("Sat, 31 Dec 2016 23:59:60 GMT", "2016-12-31 23:59:59")]
    [InlineData("Saturday, 31-Dec-16 23:59:60 GMT", "2016-12-31 23:59:59")]
    [InlineData("Sat Dec 31 23:59:60 2016", "2016-12-31 23:59:59")]
    [InlineData("Fri, 31 Dec 9999 23:59:60 GMT", "9999-12-31 23:59:59")]
    // No date: another day of the week, a form of none.
    [InlineData("Friday, 01-Jan-71 00:00:00 GMT", null)]
    [InlineData("Mon, 06 Nov 1994 08:49:37 GMT", null)]
    [InlineData("Sunday, 06-Nov-1994 08:49:37 GMT", null)]
    [InlineData("Sat, 31 Dec 2016 23:59:61 GMT", null)]
    [InlineData("Sun, 06 Nov 1994 08:49:37 UTC", null)]
    [InlineData("2016-12-31T23:59:59.000000Z", null)]
    [InlineData("-----------------------------", null)]
    public void The_date_is(string text, string? expected)
    {
        var now = new DateTimeOffset(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);
        bool read = HttpDate.TryParse(Encoding.ASCII.GetBytes(text), now, out DateTimeOffset date);
        Assert.Equal(
            expected, read ? date.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) : null);
    }
}
