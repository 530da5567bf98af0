# ruff: noqa: RUF001 - other alphabets are what this is about
"""The letters of languages, the most frequent first: by them a text tells in which code page it was written.

Orders are enough: the n-th of N letters is taken to be exp(-4 n / N) times as frequent as the first, near to what
languages do.
"""

import math
from functools import cache

# Languages in Latin letters, in their order of the most speakers among those who used code pages.
LATIN = {
    "en": "etaoinshrdlcumwfgypbvkjxqz",
    "es": "eaosrnidlctumpbgyvqíóhfáézjñúxüwk",
    "pt": "aeosirdntmucãlpvgqbhfçézáíjóêàõôxúâüky",
    "fr": "esaitnrulodcmpévqfbghjàxèêyzçôâîœùûïëkwüÿæ",
    "de": "enisratdhulcgmobwfkzvüpäßjöyqx",
    "it": "eaionlrtscdupmgvhfbzqàèòùìéíykwxj",
    "tr": "aeinrlıkdtmysoubüşzgvhçğcpöfjâîûwxq",
    "pl": "aioeznrwsctykdpmułjlbgęhąóżśćńfźvqx",
    "vi": "nhtcigaoumlràđsevpbyưdákộếạôêảâớịấủờốừợậứựệềửầéóíúýẻỉỏỷãẽĩõũỹẹọụỵăắằẳẵặẩẫểễồổỗơởỡữxqz",
    "nl": "enatirodslghvkmubpwjzcfëyïxéèóüqö",
    "ro": "eiarntulcsodpămîșțşţvgbfâhzjxkyw",
    "cs": "oeanvtilskrdpmíuájhyzbcéžčřýšěůgúfťďňóxwq",
    "hu": "eatlnskoriámzgédybvhjpuöfóőíücűúxwq",
    "sv": "eantrsildomgkväfhupåöbcyjxéwzq",
    "hr": "aionerjstukvlmdpgzbčcšhžćfđqwxy",
    "da": "erntaidslogkmfvuhbpåøjyæcwzéxqóôò",
    "fi": "aitneslokuämvrjhyphdögbfcwåzxqšž",
    "sk": "aoeintvsrlkdmpuáíhčzcyjbýšéžťôúľfäňgďóĺŕxwq",
    "lt": "iaseotrnukmlpdvjgybėšžųįcūčąęzfhxwq",
    "sl": "aeionrtsljvkdpmzuhgčbšcžfqwxy",
    "lv": "aisteruonklmpdvāzjībēgcšņļūžķģčfhxyw",
    "et": "aiestlunodkmrvgpjhäbüõöfcšzžyxwq",
    "ca": "easirlntoudcmpvbgqfàhxèóíéòçzjúïüykw",
    "sq": "etëainrshuojdkmplvgyqbzcçfxw",
    "is": "arnitsðuelgmkfhváoþídjæbéöúpyóýxwzcq",
}
OTHER = {
    "ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "uk": "оанивітресклдумпзяьбгчйхжїюшєцщфґ",
    "be": "аніыоерстлвкдмупзяьчгўбйхжцшюфёэ",
    "bg": "аиоентрсвлкдпмзгяъубчцжщхйшюфь",
    "sr": "аиоенрстјувкдмплзгбчцшжћхљњфђџ",
    "el": "ατοιενσρκπυλςμηγδχόίήάέωθβφύώξζψϊϋΐ",
    "he": "יוהלרבתמאשנעםדקחפסכגטצןזךףץ",
    "ar": "اليمونرتبةعدسفهكقأحجشطصىخإذضغثئءؤآظ",
    "fa": "اردينهومتبسلكکششزفگعخقجآپحطصغذضثژئظچ\u200c",
    "th": "านรอกเงมยลวดทสตะปบคหแจพชขใ่้ีิัุูไผซถธ็์ฟฉภศษณญฎฏฐฑฒฆฮโฝฬำๆ",
}
_NEVER = math.log(1e-5)


@cache
def _chances(language: str) -> dict[str, float]:
    letters = dict.fromkeys(LATIN.get(language) or OTHER[language])
    weights = [math.exp(-4 * place / len(letters)) for place in range(len(letters))]
    whole = math.log(sum(weights))
    return {letter: math.log(weight) - whole for letter, weight in zip(letters, weights, strict=True)}


def chance(language: str, letter: str) -> float:
    """The logarithm of how often `letter`, a small one, stands among the letters of `language`."""
    return _chances(language).get(letter, _NEVER)
