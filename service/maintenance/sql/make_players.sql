-- Makes a run of players, the same for the same seed.
--
-- $1 the id before the first player of this call of populate, $2 and $3 first and last place in it,
-- from 1, $4 seed, $5 the moment that all its times are reckoned from. They joined one month to
-- thirteen months before that, so that every session comes later.
--
-- Locks: the new rows.
INSERT INTO player (id, username, joined_at)
SELECT
    $1::bigint + place,
    (ARRAY[
        'Agile', 'Bold', 'Brave', 'Bright', 'Calm', 'Clever', 'Cosmic', 'Daring',
        'Eager', 'Fierce', 'Gentle', 'Golden', 'Happy', 'Hidden', 'Jolly', 'Keen',
        'Lucky', 'Mighty', 'Nimble', 'Noble', 'Proud', 'Quick', 'Quiet', 'Rapid',
        'Royal', 'Silent', 'Silver', 'Sly', 'Swift', 'Vivid', 'Wild', 'Witty'
    ])[1 + (drawn & 31)]
    || (ARRAY[
        'Badger', 'Bear', 'Beaver', 'Cobra', 'Condor', 'Crane', 'Dragon', 'Eagle',
        'Falcon', 'Ferret', 'Fox', 'Gecko', 'Hawk', 'Heron', 'Ibex', 'Jaguar',
        'Koala', 'Lynx', 'Marten', 'Moose', 'Osprey', 'Otter', 'Owl', 'Panda',
        'Puma', 'Raven', 'Shark', 'Stoat', 'Tiger', 'Viper', 'Wolf', 'Yak'
    ])[1 + (drawn >> 5 & 31)]
    || $1::bigint + place,
    $5::timestamptz - interval '30 days' - interval '365 days' * ((drawn >> 10 & 65535) / 65536.0)
FROM generate_series($2::bigint, $3::bigint) AS place
CROSS JOIN LATERAL (SELECT hashint8extended(place, $4::bigint) OFFSET 0) AS dice (drawn)
