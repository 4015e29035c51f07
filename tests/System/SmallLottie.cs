using System.Globalization;

namespace FlatRender.SystemTests;

/// <summary>A small composition, written as a test needs it: a red square that wanders over a blue field.</summary>
static class SmallLottie
{
    public static readonly (int R, int G, int B) Red = (255, 0, 0), Blue = (0x20, 0x40, 0x90);

    public static string Of(string width = "64", string height = "48", string rate = "30", string from = "0", string to = "6", string assets = "[]", string layers = "") => string.Create(CultureInfo.InvariantCulture, $$"""
        {"v":"5.7.0","fr":{{rate}},"ip":{{from}},"op":{{to}},"w":{{width}},"h":{{height}},"nm":"small","ddd":0,"assets":{{assets}},"layers":[{{layers}}{{Square}},{{Field}}]}
        """);

    public const string ImageLayer = """{"ddd":0,"ind":9,"ty":2,"nm":"photo","refId":"photo","sr":1,"ks":{"o":{"a":0,"k":100},"r":{"a":0,"k":0},"p":{"a":0,"k":[0,0,0]},"a":{"a":0,"k":[0,0,0]},"s":{"a":0,"k":[100,100,100]}},"ao":0,"ip":0,"op":9000,"st":0,"bm":0},""";

    const string Square = """
        {"ddd":0,"ind":1,"ty":1,"nm":"square","sr":1,"ks":{"o":{"a":0,"k":100},"r":{"a":0,"k":0},"p":{"a":1,"k":[
        {"t":0,"s":[12,24,0],"i":{"x":[1],"y":[1]},"o":{"x":[0],"y":[0]}},{"t":6,"s":[40,24,0]}]},"a":{"a":0,"k":[8,8,0]},"s":{"a":0,"k":[100,100,100]}},
        "ao":0,"sw":16,"sh":16,"sc":"#ff0000","ip":0,"op":9000,"st":0,"bm":0}
        """;

    const string Field = """
        {"ddd":0,"ind":2,"ty":1,"nm":"field","sr":1,"ks":{"o":{"a":0,"k":100},"r":{"a":0,"k":0},"p":{"a":0,"k":[0,0,0]},"a":{"a":0,"k":[0,0,0]},"s":{"a":0,"k":[100,100,100]}},
        "ao":0,"sw":4000,"sh":4000,"sc":"#204090","ip":0,"op":9000,"st":0,"bm":0}
        """;
}
