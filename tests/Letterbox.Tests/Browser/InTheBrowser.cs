// What the browser tests share: one browser and one letterbox for all of them.

using Letterbox.Tests.Support;

namespace Letterbox.Tests.Browser;

/// <summary>The classes of this collection run one after the other.</summary>
[CollectionDefinition]
public sealed class InTheBrowser : ICollectionFixture<Chromium>, ICollectionFixture<OpenLetterbox>;
