-- A golden set is marked by one person and confirmed by another, and says which rows are measured on; then it stays.

CREATE OR REPLACE FUNCTION experiments_golden_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE person bigint;
        roles text[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM registry_refuse('a golden mark is never deleted');
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.confirmed_by_id IS NOT NULL OR NEW.confirmed_at IS NOT NULL THEN
            PERFORM registry_refuse('a golden mark is confirmed after it was made, by another person');
        END IF;
        PERFORM FROM experiments_datasetversion WHERE id = NEW.version_id AND (NEW.split = '' OR splits ? NEW.split);
        IF NOT FOUND THEN
            PERFORM registry_refuse('a golden mark names a split of its version, or none');
        END IF;
        person := NEW.marked_by_id;
        roles := ARRAY['engineer'];
    ELSE
        IF OLD.confirmed_by_id IS NOT NULL THEN
            PERFORM registry_refuse('a confirmed golden mark is never changed');
        END IF;
        IF (NEW.version_id, NEW.marked_by_id, NEW.reason, NEW.split, NEW.marked_at) IS DISTINCT FROM
            (OLD.version_id, OLD.marked_by_id, OLD.reason, OLD.split, OLD.marked_at) THEN
            PERFORM registry_refuse('of a golden mark only its confirmation is added');
        END IF;
        IF NEW.confirmed_by_id IS NULL OR NEW.confirmed_by_id = NEW.marked_by_id THEN
            PERFORM registry_refuse('a golden mark is confirmed by another person than made it');
        END IF;
        PERFORM FROM experiments_datasetversion WHERE id = NEW.version_id AND frozen;
        IF NOT FOUND THEN
            PERFORM registry_refuse('a golden set is frozen');
        END IF;
        PERFORM FROM experiments_trainingrun WHERE dataset_version_id = NEW.version_id;
        IF FOUND THEN
            PERFORM registry_refuse('a version that was trained on cannot be golden');
        END IF;
        person := NEW.confirmed_by_id;
        roles := ARRAY['engineer', 'product', 'approver'];
    END IF;
    PERFORM FROM experiments_datasetversion v JOIN experiments_dataset d ON d.id = v.dataset_id
        JOIN registry_membership m ON m.team_id = d.team_id
        WHERE v.id = NEW.version_id AND m.user_id = person AND m.role = ANY (roles);
    IF NOT FOUND THEN
        PERFORM registry_refuse('only ' || array_to_string(roles, ', ') || ' of the team can do this');
    END IF;
    RETURN NEW;
END $$;
