-- Times are ISO 8601 in UTC, so their first seven characters are the month.
select
    team,
    substr(made_at, 1, 7) as month,
    count(*) as promises,
    sum(state = 'kept') as kept,
    sum(state = 'late') as late,
    sum(state = 'broken') as broken,
    sum(state = 'withdrawn') as withdrawn,
    round(
        1.0 * sum(state = 'kept')
        / nullif(sum(state in ('kept', 'late', 'broken', 'withdrawn')), 0), 4
    ) as kept_rate
from {{ source('casestore', 'promises') }}
group by team, month
