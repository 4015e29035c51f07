namespace FlatRender.Bench;

/// <summary>A template that is soon drawn: a red square that wanders over a blue field.</summary>
static class SmallFilm
{
    public static string Of(int width, int height, int frames) => $$$"""
        {"v":"5.7.0","fr":30,"ip":0,"op":{{{frames}}},"w":{{{width}}},"h":{{{height}}},"nm":"small","ddd":0,"assets":[],"layers":[
        {"ddd":0,"ind":1,"ty":1,"nm":"square","sr":1,"ks":{"o":{"a":0,"k":100},"r":{"a":0,"k":0},"p":{"a":1,"k":[{"t":0,"s":[12,24,0],"i":{"x":[1],"y":[1]},"o":{"x":[0],"y":[0]}},{"t":{{{frames}}},"s":[40,24,0]}]},
        "a":{"a":0,"k":[8,8,0]},"s":{"a":0,"k":[100,100,100]}},"ao":0,"sw":16,"sh":16,"sc":"#ff0000","ip":0,"op":9000,"st":0,"bm":0},
        {"ddd":0,"ind":2,"ty":1,"nm":"field","sr":1,"ks":{"o":{"a":0,"k":100},"r":{"a":0,"k":0},"p":{"a":0,"k":[0,0,0]},"a":{"a":0,"k":[0,0,0]},"s":{"a":0,"k":[100,100,100]}},
        "ao":0,"sw":4000,"sh":4000,"sc":"#204090","ip":0,"op":9000,"st":0,"bm":0}]}
        """;
}
