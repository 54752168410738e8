package local

import (
	"context"
	"net/http"
	"strconv"
)

// userList is the answer of GET /admin/users.
type userList struct {
	Users []publicUser `json:"users"`
	Aud   string       `json:"aud"`
	total int64
}

// adminOnly refuses whoever does not hold the service key.
func (r *authRequest) adminOnly() error {
	if r.caller.role != "service_role" {
		return errNotAdmin
	}
	return nil
}

func adminListUsers(ctx context.Context, r *authRequest) (int, any, error) {
	if err := r.adminOnly(); err != nil {
		return 0, nil, err
	}
	page := atLeastOne(r.URL.Query().Get("page"), 1)
	perPage := min(atLeastOne(r.URL.Query().Get("per_page"), 50), 1000)
	list, err := r.s.listUsers(ctx, r.app.id, perPage, (page-1)*perPage)
	return http.StatusOK, list, err
}

func atLeastOne(s string, otherwise int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1_000_000 {
		return otherwise
	}
	return n
}

func adminCreateUser(ctx context.Context, r *authRequest) (int, any, error) {
	if err := r.adminOnly(); err != nil {
		return 0, nil, err
	}
	u, err := r.s.createUser(ctx, r.app.id, newUser{
		email: r.in.Email, password: r.in.Password, userMeta: r.in.UserMetadata, appMeta: r.in.AppMetadata, byAdmin: true,
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, u.public(), nil
}

func adminGetUser(ctx context.Context, r *authRequest) (int, any, error) {
	if err := r.adminOnly(); err != nil {
		return 0, nil, err
	}
	u, err := r.s.userByID(ctx, r.app.id, r.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, u.public(), nil
}

func adminDeleteUser(ctx context.Context, r *authRequest) (int, any, error) {
	if err := r.adminOnly(); err != nil {
		return 0, nil, err
	}
	u, err := r.s.userByID(ctx, r.app.id, r.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	if _, err := r.s.admin.Exec(ctx, "delete from auth.users where app_id = $1 and id = $2", r.app.id, u.id); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, u.public(), nil
}
