"""The corpora that can be prepared, by the name that the command line and the column ``source`` use."""

from __future__ import annotations

from corpora.demand import Demand
from corpora.dns_challenge import DnsChallenge
from corpora.esc50 import Esc50
from corpora.folder import PlainFolders
from corpora.librispeech import LibriSpeech
from corpora.libritts import LibriTts
from corpora.musan import Musan
from corpora.source import CorpusSource
from corpora.vctk import Vctk
from corpora.voicebank_demand import VoiceBankDemand

CORPORA: dict[str, type[CorpusSource]] = {
    corpus.name: corpus
    for corpus in (VoiceBankDemand, LibriSpeech, LibriTts, Vctk, DnsChallenge, Musan, Demand, Esc50, PlainFolders)
}
