-- Whether three characters in a row are letters or digits to pg_trgm, which goes by the locale of the
-- database: under LC_CTYPE C those beyond ASCII are none. $1 the letters. Without such three its index
-- would be read as a whole.
SELECT
    string_agg(CASE WHEN show_trgm(letter) = '{}' THEN ' ' ELSE 'x' END, '' ORDER BY place)
        LIKE '%xxx%'
FROM string_to_table(lower($1::text COLLATE pg_c_utf8), NULL)
    WITH ORDINALITY AS letters (letter, place)
