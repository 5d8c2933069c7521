"""Sex of the speakers of VCTK, from its speaker-info.txt (Yamagishi et al., 2019, version 0.92), for corpora of it."""

from __future__ import annotations

_FEMALE = """225 228 229 230 231 233 234 236 238 239 240 244 248 249 250 253 257 261 262 264 265 266 267 268 269 276 277
280 282 283 288 293 294 295 297 299 300 301 303 305 306 307 308 310 312 313 314 317 318 323 329 330 333 335 336 339 340
341 343 351 361 362"""
_MALE = """226 227 232 237 241 243 245 246 247 251 252 254 255 256 258 259 260 263 270 271 272 273 274 275 278 279 281
284 285 286 287 292 298 302 304 311 315 316 326 334 345 347 360 363 364 374 376"""

VCTK_SEX = {f"p{number}": sex for sex, numbers in (("F", _FEMALE), ("M", _MALE)) for number in numbers.split()}


def vctk_speaker(name: str) -> str:
    """Return the name of a VCTK speaker in our manifests, the same in every corpus that has recordings of VCTK.

    Example:
        >>> vctk_speaker("p226")
        'vctk_p226'
    """
    return f"vctk_{name}"
