"""WordNet's hypernyms of ImageNet's classes (21,841, the 1,000 of ILSVRC among them) and of CIFAR-10's.

hypernyms            reads hypernyms.txt.xz: each synset, and those directly above it
build                the script that made it: python -m evalshift.testbed.wordnet.build --from DATA.NOUN
README.md            source and licence
"""
