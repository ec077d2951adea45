-- An amount is an exact decimal as text. SQLite adds texts up as floats: round the sum.
select
    substr(given_at, 1, 7) as month,
    value_currency as currency,
    sum(ledger = 'goodwill') as gestures,
    round(sum(case when ledger = 'goodwill' then value end), 2) as gestures_sum,
    sum(ledger = 'remedy') as remedies,
    round(sum(case when ledger = 'remedy' then value end), 2) as remedies_sum
from {{ source('casestore', 'goodwill_given') }}
where status = 'given' and value is not null
group by month, currency
