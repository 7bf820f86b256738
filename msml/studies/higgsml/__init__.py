"""The HiggsML challenge: H → ττ against everything else, by an ensemble of small networks.

Source: Strong, On the impact of selected modern deep-learning techniques to the performance and
celerity of classification models in an experimental high-energy physics use case, 2020.
"""
