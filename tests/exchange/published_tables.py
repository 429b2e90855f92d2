"""Small published tables, written by hand: one of every kind, sound in every way."""

from __future__ import annotations

NETDISSECT = """\
unit,category,label,score,color-label,color-truth,color-activation,color-intersect,color-iou,object-label,object-truth,object-activation,\
object-intersect,object-iou
1,object,car,0.25,red-c,100,40,20,0.166666667,car,60,40,20,0.25
2,color,blue-c,0.02,blue-c,900,120,20,0.02,,24924928,7,7,0
3,object,dog,0.04,red-c,100,4,0,0,dog,52,26,3,0.04
"""
LITE = """\
score,label,category,unit,object-iou,object-intersect,object-activation,object-truth,object-label
0.25,car,object,2,0.25,20.0,40.0,60.0,car
0.5,dog,object,1,0.5,20.0,30.0,30.0,dog
"""
MILAN = "layer,unit,description\nconv1,0,Black lettering\nconv1,1,Nothing\nlayer1,0,Dog faces\n"
CLIP_DISSECT = "layer,unit,description,similarity\nconv1,0,red,0.25\nconv1,1,snorkeling,-0.5\n"
COMPEXP = """\
unit,category,label,score,length,emb_summary,category_noncomp,label_noncomp,score_noncomp
0,object,((water OR river) AND (NOT blue-c)),0.2,4,x,object,water,0.15
1,scene,street-s,0.1,1,x,scene,street-s,0.1
2,,NONE,0,0,,,NONE,0
"""
INVERT = """\
neuron,concept,concept_id,metric
0,"tench, Tinca tinca",n01440764,0.91
1,(terrier OR hound) AND NOT cat,n1 n2,0.97
1,terrier,n02093428,0.8
"""
FALCON = """\
group,Unnamed: 0,concept_set_words,concept_set_noun_phrases
3,0,"[('dog', 0.31), ('fur', 0.2)]","[('a brown dog', 0.33), ('soft fur', 0.21)]"
7,1,"['sky']","[]"
"""
ALL = {
    "netdissect": NETDISSECT, "milan": MILAN, "clip-dissect": CLIP_DISSECT, "compexp": COMPEXP, "invert": INVERT, "falcon": FALCON,
}  # fmt: skip
