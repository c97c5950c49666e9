minigpt: standard input is not UTF-8 (unexpected end of data at byte 3): convert it, as with iconv
