drop table budget_months;
alter table model_requests drop column reserved_micros;
alter table teams drop column budget_micros;
